import { errnoOf, KataError } from '../errors/index.ts';
import type { Host, HostPath } from '../host/index.ts';
import type { NodeReport } from './report.ts';

/** What the text file collector of Prometheus' node exporter reads: files of its folder with this ending. */
const name = 'kata_sysext.prom';

/**
 * Writes what a report says as gauges, into a folder that is there. Gives why it could not, in words: a request does not fail of it. What is
 * there with the same bytes is not written.
 */
export async function writeMetrics(host: Host, folder: HostPath, report: NodeReport): Promise<string | undefined> {
  const path = `${folder}/${name}`;
  try {
    if ((await host.stat(folder))?.kind !== 'directory') return `metrics: there is no folder ${folder}`;
    const text = metricsText(report);
    if ((await host.lstat(path))?.kind === 'file' && (await host.readText(path)) === text) return undefined;
    await host.writeFile(path, text, { mode: 0o644 });
    await host.relabel([path]);
    return undefined;
  } catch (error) {
    if (error instanceof KataError) return `metrics: ${error.complaint.found}`;
    if (errnoOf(error) === undefined) throw error;
    return `metrics: ${path} cannot be written (${errnoOf(error)})`;
  }
}

interface Gauge {
  help: string;
  labels?: Record<string, string>;
  value: number;
}

/** In the text format of Prometheus, version 0.0.4. */
export function metricsText(report: NodeReport): string {
  const { ready, state, mode, code = '', release = '', generation, request, engine, system, restarts, at } = report;
  const gauges: Record<string, Gauge> = {
    kata_sysext_node_ready: { help: 'Whether a fleet may go on to the next node.', value: ready ? 1 : 0 },
    kata_sysext_node_info: {
      help: 'What the node says of its request.',
      labels: { state, mode, code, release, generation: String(generation ?? ''), request, engine, system },
      value: 1,
    },
    kata_sysext_request_engine_restarts: { help: 'How often engines were restarted for the request.', value: restarts },
    kata_sysext_report_since_seconds: { help: 'Since when the node says this, as seconds since 1970.', value: Date.parse(at) / 1000 },
  };
  const lines = Object.entries(gauges).flatMap(([gauge, { help, labels, value }]) => [
    `# HELP ${gauge} ${help}`,
    `# TYPE ${gauge} gauge`,
    `${gauge}${labels === undefined ? '' : labelsText(labels)} ${value}`,
  ]);
  return `${lines.join('\n')}\n`;
}

function labelsText(labels: Record<string, string>): string {
  return `{${Object.entries(labels)
    .map(([label, value]) => `${label}="${escapedLabel(value)}"`)
    .join(',')}}`;
}

function escapedLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
