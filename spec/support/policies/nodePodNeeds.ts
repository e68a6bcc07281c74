/** The same roles have other types in the two families. */
export interface PodTypes {
  engine: string;
  /** Of the folder /run/dbus and of the socket in it. */
  bus: string;
  /** Of files in /run/systemd/transient. */
  transient: string;
}

export const podTypes: Record<'debian' | 'fedora', PodTypes> = {
  debian: { engine: 'dockerd_t', bus: 'system_dbusd_runtime_t', transient: 'systemd_transient_unit_t' },
  fedora: { engine: 'container_runtime_t', bus: 'system_dbusd_var_run_t', transient: 'systemd_unit_file_t' },
};

/** What a node pod needs of a policy, beyond what an engine does for any container. */
export interface PodNeed {
  source: string;
  target: string;
  class: string;
  may: string[];
  why: string;
}

/** The label of processes that PID 1 starts from /bin/sh, in both families. */
const unit = 'initrc_t';

export function nodePodNeeds({ engine, bus, transient }: PodTypes): PodNeed[] {
  return [
    { source: engine, target: bus, class: 'dir', may: ['mounton'], why: 'the engine mounts /run/dbus' },
    { source: engine, target: 'etc_t', class: 'dir', may: ['mounton'], why: 'the engine mounts /etc/kata-sysext' },
    { source: engine, target: 'var_lib_t', class: 'dir', may: ['mounton'], why: 'the engine mounts /var/lib/kata-sysext' },
    { source: engine, target: 'spc_t', class: 'process', may: ['transition'], why: 'the engine starts the container change' },
    { source: engine, target: 'spc_t', class: 'process2', may: ['nnp_transition'], why: 'the same, without new privileges' },
    { source: engine, target: 'container_t', class: 'process', may: ['transition'], why: 'the engine starts the container report' },
    { source: 'spc_t', target: bus, class: 'sock_file', may: ['write'], why: 'change opens the socket of the bus' },
    { source: 'spc_t', target: 'system_dbusd_t', class: 'unix_stream_socket', may: ['connectto'], why: 'the same' },
    { source: 'spc_t', target: 'system_dbusd_t', class: 'dbus', may: ['send_msg'], why: 'change says hello to the bus' },
    { source: 'spc_t', target: 'init_t', class: 'dbus', may: ['send_msg'], why: 'change asks PID 1' },
    { source: 'init_t', target: 'spc_t', class: 'dbus', may: ['send_msg'], why: 'PID 1 answers' },
    { source: 'spc_t', target: 'init_t', class: 'system', may: ['status', 'start'], why: 'change lists units, and starts a transient one' },
    {
      source: 'spc_t',
      target: transient,
      class: 'service',
      may: ['status'],
      why: 'change follows it: after a reload PID 1 asks by its file',
    },
    {
      source: 'spc_t',
      target: 'var_lib_t',
      class: 'dir',
      may: ['search', 'write', 'add_name', 'remove_name'],
      why: 'change puts the program there',
    },
    { source: 'spc_t', target: 'var_lib_t', class: 'file', may: ['create', 'write', 'rename', 'unlink'], why: 'the same' },
    { source: unit, target: 'var_lib_t', class: 'file', may: ['read', 'execute', 'execute_no_trans'], why: 'the unit executes it' },
    { source: 'container_t', target: 'etc_t', class: 'file', may: ['open', 'read'], why: 'the container report reads the report' },
  ];
}

/** What no policy should give: the reason why the report lies in /etc. */
export const notNeeded: PodNeed = {
  source: 'container_t',
  target: 'var_lib_t',
  class: 'file',
  may: ['open', 'read'],
  why: 'a confined container reads no state of the host',
};

/** The lines of a record that hold these needs, and which domains a container and a unit get. */
export function askedOfPod(policy: 'debian' | 'fedora'): string[] {
  const types = podTypes[policy];
  const needs = [...nodePodNeeds(types), notNeeded];
  return [
    ...new Set(needs.map((need) => `known ${need.class}`)),
    ...needs.map((need) => `access ${contextOfType(need.source)} ${contextOfType(need.target)} ${need.class}`),
    `create ${contextOfType('init_t')} ${contextOfType('shell_exec_t')} process`,
    `create ${contextOfType(types.engine)} ${contextOfType('container_ro_file_t')} process`,
  ];
}

const processes = /^(?:dockerd|container_runtime|container|spc|init|initrc|system_dbusd)_t$/;

export function contextOfType(type: string): string {
  const context = `system_u:${processes.test(type) ? 'system_r' : 'object_r'}:${type}:s0`;
  return type === 'container_t' ? `${context}:c1,c2` : context;
}
