import type { BackendFacts } from '../registry.ts';

export const facts: BackendFacts = { name: 'baked', ofImage: true, takesImages: false, units: [] };
