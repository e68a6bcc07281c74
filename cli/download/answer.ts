import { type IncomingMessage, type RequestOptions, STATUS_CODES } from 'node:http';
import { request } from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';
import { errnoOf, KataError } from '../errors/index.ts';
import { httpsAddress, shownAddress } from './address.ts';
import { broken, changed, endsBefore, refused } from './complaints.ts';
import type { Credentials, Patience } from './types.ts';

/** What a server has begun to send. */
export interface Answer {
  message: IncomingMessage;
  /** The place in the file of the first byte that comes; 0 where the server sends the whole in spite of the request. */
  from: number;
  totalBytes: number | undefined;
  /** What tells this file from a later one under the same address. */
  validator: string | undefined;
}

export interface Asking {
  address: string;
  /** The header `accept`. */
  accept?: string | undefined;
  credentials?: Credentials | undefined;
  from: number;
  validator: string | undefined;
  ca: string[];
  patience: Patience;
  signal: AbortSignal | undefined;
  /** Each failure after which the program tries again. */
  tell(text: string): void;
}

const mostRedirects = 8;
const program = 'kata-sysext';

/**
 * Asks for the bytes of an address from `from` on, through the proxy of the environment (https_proxy, no_proxy), and follows redirects to
 * https. Throws `download-refused` where a new try does not help, and `download-failed` for the rest.
 */
export async function ask(asking: Asking): Promise<Answer> {
  const { credentials } = asking;
  let url = httpsAddress(asking.address);
  let renewed = false;
  for (let redirects = 0; ; redirects++) {
    const message = await requested(url, asking);
    if (message.statusCode === 401 && credentials !== undefined && isOwn(url, asking)) {
      message.destroy();
      if (renewed) throw credentials.refused();
      renewed = true;
      await credentials.renew(message.headers['www-authenticate'] ?? '');
      continue;
    }
    const next = redirectOf(message);
    if (next === undefined) return answered(message, asking);
    message.destroy();
    if (redirects === mostRedirects) throw refused(asking.address, `the server redirects more than ${mostRedirects} times`);
    url = redirected(next, url, asking.address);
  }
}

/** Whether a request goes to the server of the address, and not to where that redirects. */
function isOwn(url: URL, { address }: Asking): boolean {
  return url.host === new URL(address).host;
}

function redirectOf({ statusCode = 0, headers }: IncomingMessage): string | undefined {
  return [301, 302, 303, 307, 308].includes(statusCode) ? (headers.location ?? '') : undefined;
}

/** A user and a password of the address are for its own server only. */
function redirected(location: string, from: URL, address: string): URL {
  if (!URL.canParse(location, from.href)) throw refused(address, 'the server redirects to what is no address');
  const url = new URL(location, from.href);
  if (url.protocol !== 'https:')
    throw refused(
      address,
      `the server redirects to ${shownAddress(url.href)}, which is not https`,
      'a server that redirects to https only',
    );
  if (url.host === from.host && url.username === '' && url.password === '') [url.username, url.password] = [from.username, from.password];
  return url;
}

function headersFor(url: URL, asking: Asking): Record<string, string> {
  const { from, validator, accept, credentials } = asking;
  const authorization = isOwn(url, asking) ? credentials?.header() : undefined;
  return {
    'accept-encoding': 'identity',
    'user-agent': program,
    ...(from > 0 && { range: `bytes=${from}-` }),
    ...(from > 0 && validator !== undefined && { 'if-range': validator }),
    ...(accept !== undefined && { accept }),
    ...(authorization !== undefined && { authorization }),
  };
}

function requested(url: URL, asking: Asking): Promise<IncomingMessage> {
  const { address, ca, patience, signal } = asking;
  const headers = headersFor(url, asking);
  return new Promise((resolve, reject) => {
    // Until a proxy has answered, only this ends the connection to it: the request has none yet.
    const toProxy = new AbortController();
    const options: RequestOptions = { headers, ...agentFor(url, address, toProxy.signal), ...{ ca, minVersion: 'TLSv1.2' } };
    const asked = request(url, options);
    const fail = (error: Error): void => {
      end();
      asked.destroy();
      toProxy.abort();
      reject(signal?.aborted === true ? signal.reason : explained(error, url, address));
    };
    const late = setTimeout(() => fail(new Error(`no answer within ${patience.answerMs / 1000} s`)), patience.answerMs);
    const stop = (): void => fail(new Error('stopped'));
    const end = (): void => {
      clearTimeout(late);
      signal?.removeEventListener('abort', stop);
    };
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted === true) return stop();
    // Stays for good: a connection may break after its answer as well.
    asked.on('error', fail);
    asked.once('response', (message) => {
      end();
      resolve(message);
    });
    asked.end();
  });
}

function agentFor(url: URL, address: string, signal: AbortSignal): Pick<RequestOptions, 'agent'> {
  const proxy = withScheme(getProxyForUrl(url));
  if (proxy === '') return { agent: false };
  if (!URL.canParse(proxy) || !/^https?:$/.test(new URL(proxy).protocol)) {
    throw refused(
      address,
      'the proxy that the environment names is no http or https address',
      'https_proxy=http://HOST:PORT',
      'env | grep -i proxy',
    );
  }
  return { agent: new HttpsProxyAgent(proxy, { signal }) };
}

/** As curl has it, a proxy without a scheme is one of http; the package takes the scheme of the address. */
function withScheme(proxy: string): string {
  const [, bare] = /^https:\/\/(.*)$/.exec(proxy) ?? [];
  const isBare = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'].some((name) => bare !== undefined && process.env[name] === bare);
  return isBare ? `http://${bare}` : proxy;
}

/** Of Node's and OpenSSL's codes those about the server's certificate. */
const untrusted = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME|^ERR_TLS/;

function explained(error: Error, { hostname }: URL, address: string): KataError {
  if (error instanceof KataError) return error;
  const code = errnoOf(error) ?? '';
  if (untrusted.test(code)) {
    return refused(
      address,
      `the certificate of ${hostname} is not trusted (${code})`,
      'a certificate that this host trusts',
      'name the file with the certificate of your authority: --ca-file FILE',
      error,
    );
  }
  return broken(address, code === '' ? error.message : code, error);
}

/** Throws for every answer that is not the bytes that were asked for. */
function answered(message: IncomingMessage, { address, from, validator }: Asking): Answer {
  const { statusCode = 0, headers } = message;
  const stop = (error: KataError): never => {
    message.destroy();
    throw error;
  };
  if (statusCode !== 200 && statusCode !== 206) return stop(ofStatus(statusCode, address, from));
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    return stop(refused(address, 'the server sends the file compressed once more', 'the bytes of the file as they are'));
  const validatorNow = strong(headers.etag) ?? headers['last-modified'];
  if (validator !== undefined && validatorNow !== undefined && validatorNow !== validator) return stop(changed(address));
  if (statusCode === 200) return { message, from: 0, totalBytes: countIn(headers['content-length']), validator: validatorNow };
  const range = /^bytes (\d{1,19})-(\d{1,19})\/(\d{1,19}|\*)$/.exec(headers['content-range'] ?? '');
  if (range === null || Number(range[1]) !== from)
    return stop(refused(address, `the server answers with another part of the file than byte ${from} and the following`));
  return { message, from, totalBytes: range[3] === '*' ? undefined : Number(range[3]), validator: validatorNow ?? validator };
}

/** Weak tags say that the meaning is the same, not the bytes. */
function strong(tag: string | undefined): string | undefined {
  return tag?.startsWith('"') === true ? tag : undefined;
}

function countIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,19}$/.test(text) ? Number(text) : undefined;
}

/** Statuses after which the same question may have another answer. */
const passing = [408, 425, 429, 500, 502, 503, 504];

function ofStatus(status: number, address: string, from: number): KataError {
  const what = `the server answers ${status}${STATUS_CODES[status] === undefined ? '' : ` ${STATUS_CODES[status]}`}`;
  if (passing.includes(status)) return broken(address, what);
  if (status === 416) return endsBefore(address, from);
  if (status === 407)
    return refused(
      address,
      what.replace('server', 'proxy'),
      'a user and a password for the proxy',
      'https_proxy=http://USER:PASSWORD@HOST:PORT',
    );
  return refused(
    address,
    what,
    'an address under which the file can be had',
    'look at the address in a browser, and at the name of the release',
  );
}
