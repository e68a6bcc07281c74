import type { BackendFacts } from '../types.ts';

export const facts: BackendFacts = { name: 'baked', ofImage: true, takesImages: false, units: [] };
