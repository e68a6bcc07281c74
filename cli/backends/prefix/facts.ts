import type { BackendFacts } from '../types.ts';

export const facts: BackendFacts = { name: 'prefix', ofImage: false, takesImages: false, units: [] };
