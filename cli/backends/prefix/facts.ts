import type { BackendFacts } from '../registry.ts';

export const facts: BackendFacts = { name: 'prefix', ofImage: false, takesImages: false, units: [] };
