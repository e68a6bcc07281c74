import type { Digest } from '../host/index.ts';
import { type NodeRequest, requestDigest, requestOf } from '../requests/index.ts';
import { podUnfit } from './complaints.ts';

const requestVariable = 'KATA_SYSEXT_REQUEST';
const generationVariable = 'KATA_SYSEXT_TEMPLATE_GENERATION';
const wavesVariable = 'KATA_SYSEXT_WAVES';

/** The request of a pod template. */
export interface PodRequest {
  request: NodeRequest;
  digest: Digest;
  /** As it lies on the node: the same for each pod of a template. */
  text: string;
  /** It asks for an installation, and is only observed. */
  restrained: boolean;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The request in the environment of a pod, held to the rules of a request file. Throws `request-unfit`, `node-pod-unfit`.
 *
 * The pods of a new DaemonSet all start at once, whatever its maxUnavailable: an installation is only observed in them. Each later template
 * has a higher generation (Kubernetes' label pod-template-generation), and is rolled out in waves.
 */
export function podRequest(env: Env): PodRequest {
  const content = env[requestVariable];
  if (content === undefined) {
    throw podUnfit({
      subject: requestVariable,
      found: `${requestVariable} is not set, so there is no request`,
      needed: 'the request as a text in the pod template',
    });
  }
  const given = requestOf(content, requestVariable);
  const restrained = given.mode === 'install' && env[generationVariable] === '1' && env[wavesVariable] !== 'none';
  const request: NodeRequest = restrained ? { ...given, mode: 'observe' } : given;
  return { request, digest: requestDigest(request), text: `${JSON.stringify(request, null, 1)}\n`, restrained };
}
