import type { BackendFacts } from '../types.ts';

export const facts: BackendFacts = { name: 'overlay', ofImage: false, takesImages: false, units: ['kata-sysext-overlay.service'] };
