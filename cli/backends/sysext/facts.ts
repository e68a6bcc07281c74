import type { BackendFacts } from '../registry.ts';

export const facts: BackendFacts = { name: 'sysext', ofImage: false, takesImages: true, units: ['systemd-sysext.service'] };
