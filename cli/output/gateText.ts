/** What is known of a change before it is proven. */
export interface Proving {
  /** Nothing runs in an offline tree, so only its files are proven. */
  live: boolean;
  restarts: boolean;
  /** A generation becomes active. */
  coming: boolean;
  /** `--prove pod` */
  pods: boolean;
  /** False: the engine has an API of its own in its place. */
  cri?: boolean;
}

/** What a change proves before it commits: lines of its plan. */
export function gateText({ live, restarts, coming, pods, cri = true }: Proving): string[] {
  const rows: [boolean, string][] = [
    [live, 'the effective configuration differs only by kata-sysext’s handlers'],
    [live, `the ${cri ? 'CRI' : 'daemon'} is ready and lists every earlier handler`],
    [coming, 'the installed shim and configuration have their digests'],
    [live && restarts, 'engine and dependents stay active for 8 s'],
    [coming && pods, 'a pod of every handler starts, and is removed again'],
  ];
  return rows.flatMap(([said, text]) => (said ? [text] : []));
}
