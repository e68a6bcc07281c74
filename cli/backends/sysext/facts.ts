import type { BackendFacts } from '../types.ts';

export const facts: BackendFacts = { name: 'sysext', ofImage: false, takesImages: true, units: ['systemd-sysext.service'] };
