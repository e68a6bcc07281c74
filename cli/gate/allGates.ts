import type { Gate } from '../transaction/index.ts';

/** The gates of a change of several engines as one: before a restart that of the engine, afterwards all of them in their order. */
export function allGates(engines: readonly { unit: string | undefined; gate: Gate }[]): Gate {
  return {
    beforeRestart: async (step) => {
      for (const { unit, gate } of engines) if (step === undefined || step.unit === unit) await gate.beforeRestart(step);
    },
    afterSteps: async () => {
      for (const { gate } of engines) await gate.afterSteps();
    },
    evidence: async () => {
      const lines: string[] = [];
      for (const { gate } of engines) lines.push(...(await gate.evidence()));
      return lines;
    },
  };
}
