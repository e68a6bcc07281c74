/** Answers of the CRI as the client gives them: names as in templates/cri.proto, enums as their names, 64-bit integers as decimal text. */
export interface VersionAnswer {
  runtime_name: string;
  runtime_version: string;
  runtime_api_version: string;
}

export interface StatusAnswer {
  status: { conditions: { type: string; status: boolean; reason: string; message: string }[] } | null;
  /** Values are JSON. */
  info: Record<string, string>;
  runtime_handlers: { name: string }[];
}

export interface SandboxMetadata {
  name: string;
  uid: string;
  namespace: string;
  attempt: number;
}

export interface PodSandbox {
  id: string;
  metadata: SandboxMetadata | null;
  state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
  created_at: string;
  labels: Record<string, string>;
  runtime_handler: string;
}

export interface SandboxConfig {
  metadata: Partial<SandboxMetadata>;
  hostname?: string;
  log_directory?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  linux?: { cgroup_parent?: string; security_context?: { namespace_options?: { network?: string; pid?: string; ipc?: string } } };
}

export interface ContainerConfig {
  metadata: { name: string; attempt?: number };
  image: { image: string; user_specified_image?: string };
  command?: string[];
  args?: string[];
  log_path?: string;
}

export interface Container {
  id: string;
  pod_sandbox_id: string;
  metadata: { name: string; attempt: number } | null;
  state: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';
}

export interface ContainerStatus {
  id: string;
  state: Container['state'];
  finished_at: string;
  exit_code: number;
  reason: string;
  message: string;
}
