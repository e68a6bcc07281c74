/** What parts report while they work. Parts never print: they emit, and `report/` turns events into tty, plain or NDJSON. */
export type Event =
  | { kind: 'phase'; name: string; detail?: string }
  /** One of many that take a moment: a terminal shows them on one line, one after the other. */
  | { kind: 'step'; name: string; detail: string; number: number; total: number }
  | { kind: 'bytes'; name: string; doneBytes: number; totalBytes?: number }
  | { kind: 'done'; name: string; detail?: string }
  | { kind: 'note'; text: string }
  | { kind: 'warning'; text: string };

export type Emit = (event: Event) => void;
