/** The engines that can be wired, as the help of `--engine` names them: it must not load them. A spec compares it with the registry. */
export const engineNames = 'containerd, crio, docker, k3s, rke2, k0s, nodeadm';
