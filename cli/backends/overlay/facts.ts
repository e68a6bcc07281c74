import type { BackendFacts } from '../registry.ts';

export const facts: BackendFacts = { name: 'overlay', ofImage: false, takesImages: false, units: ['kata-sysext-overlay.service'] };
