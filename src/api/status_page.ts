/** The page at `/`: what runs here, through which pipelines the data goes, and what was lost where. No script, no CDN. */
import type { AgentFigures, ComponentFigures, PipelineBooks, PipelineFigures } from '../component.ts';
import { durationText } from '../text/duration.ts';
import type { Page } from './http_listener.ts';
import { escapeHtml, STATUS_STYLE } from './status_style.ts';

export interface StatusInfo {
  readonly version: string;
  readonly hostName: string;
  readonly links: readonly StatusLink[];
  /** Unix milliseconds. */
  readonly now_ms: number;
  /** What the agent itself costs: seconds of CPU since it started, bytes of resident memory. */
  readonly cpu_s: number;
  readonly memory_bytes: number;
}

export interface StatusLink {
  readonly href: string;
  readonly text: string;
}

/** What {@link createStatusPage} needs; `figures` is asked each time, for a reload may have replaced them. */
export interface StatusPageOptions {
  readonly figures: () => AgentFigures;
  readonly version: string;
  readonly hostName: string;
  readonly docsUrl?: string;
}

/** The handler of `/`: HTML, or the same as JSON for `Accept: application/json`. */
export function createStatusPage({ figures, version, hostName, docsUrl }: StatusPageOptions): Page {
  return (request, response, paths) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET, HEAD', 'Content-Type': 'text/plain; charset=utf-8' });
      response.end('Cannot change anything here: only GET and HEAD are answered\n');
      return;
    }
    const { user, system } = process.cpuUsage();
    const info: StatusInfo = {
      version,
      hostName,
      links: [
        // Those of APIs are for programs: without parameters they lead people nowhere.
        ...paths.filter((path) => !path.startsWith('/api/')).map((path) => ({ href: path, text: path })),
        ...(docsUrl === undefined ? [] : [{ href: docsUrl, text: 'Documentation' }]),
      ],
      now_ms: Date.now(),
      cpu_s: (user + system) / 1e6,
      memory_bytes: process.memoryUsage.rss(),
    };
    const isJson = /\bapplication\/json\b/.test(request.headers.accept ?? '');
    const body = isJson
      ? `${JSON.stringify(statusDocument(figures(), info), undefined, 2)}\n`
      : renderStatusPage(figures(), info);
    response.writeHead(200, {
      'Content-Type': isJson ? 'application/json' : 'text/html; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': 'no-store',
      Vary: 'Accept',
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
}

/** Everything that the page shows, as plain data. */
export function statusDocument(figures: AgentFigures, info: StatusInfo) {
  const uptime_s = Math.max(0, info.now_ms / 1000 - Number(figures.startTime / 1_000_000n) / 1000);
  return {
    agent: {
      version: info.version,
      host: info.hostName,
      uptime_seconds: Math.round(uptime_s),
      cpu_seconds: info.cpu_s,
      memory_bytes: info.memory_bytes,
    },
    pipelines: figures.pipelines.map((pipeline) => ({
      name: pipeline.name,
      signal: pipeline.signal,
      ...booksDocument(pipeline.books),
      receivers: pipeline.receivers.map((id) => componentDocument(id, find(figures, pipeline, 'receiver', id))),
      processors: pipeline.processors.map((id) => componentDocument(id, find(figures, pipeline, 'processor', id))),
      exporters: pipeline.exporters.map((id) => componentDocument(id, find(figures, pipeline, 'exporter', id))),
    })),
  };
}

function booksDocument({ accepted, refused, sent, dropped, filtered, waiting }: PipelineBooks) {
  return {
    accepted,
    refused,
    sent,
    dropped: Object.fromEntries(dropped),
    filtered: Object.fromEntries(filtered),
    waiting,
  };
}

type StatusDocument = ReturnType<typeof statusDocument>;
type ComponentDocument = ReturnType<typeof componentDocument>;

function componentDocument(id: string, figures: ComponentFigures | undefined) {
  return {
    id,
    state: figures?.state ?? 'starting',
    reason: figures?.reason ?? '',
    accepted: figures?.accepted ?? 0,
    refused: figures?.refused ?? 0,
    sent: figures?.sent ?? 0,
    failed: figures?.failed ?? 0,
    dropped: Object.fromEntries(figures?.dropped ?? []),
    queued: figures?.queued ?? 0,
    queued_bytes: figures?.queued_bytes ?? 0,
    queue_capacity_bytes: figures?.queue_capacity_bytes ?? 0,
    skipped: figures?.skipped ?? 0,
    timed_out: figures?.timed_out ?? 0,
  };
}

/** A processor lives in one pipeline; a receiver or exporter may be in several, and has figures for each signal. */
function find(
  { components }: AgentFigures,
  { name, signal }: PipelineFigures,
  kind: ComponentFigures['kind'],
  id: string,
): ComponentFigures | undefined {
  return components.find(
    (one) =>
      one.kind === kind &&
      one.id === id &&
      one.signal === signal &&
      (one.pipeline === undefined || one.pipeline === name),
  );
}

/** The page. Nothing that comes from a configuration or from data reaches it unescaped. */
export function renderStatusPage(figures: AgentFigures, info: StatusInfo): string {
  const { agent, pipelines } = statusDocument(figures, info);
  const cpuShare = agent.cpu_seconds / Math.max(1, agent.uptime_seconds);
  const troubled = new Set(
    figures.components.filter(({ state }) => state === 'failed').map(({ kind, id }) => `${kind} ${id}`),
  ).size;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="10">
<title>Sonde on ${escapeHtml(agent.host)}</title>
<style>${STATUS_STYLE}</style>
</head>
<body>
<header>
<h1>Sonde <small>${escapeHtml(agent.version)}</small></h1>
<p>The telemetry agent on <strong>${escapeHtml(agent.host)}</strong>
${troubled === 0 ? '' : `<strong class="bad">· ${count(troubled)} ${troubled === 1 ? 'component has' : 'components have'} failed</strong>`}</p>
<dl class="facts">
${fact('up for', durationText(agent.uptime_seconds))}
${fact('own CPU', `${(cpuShare * 100).toFixed(cpuShare < 0.1 ? 2 : 1)} %`)}
${fact('own memory', bytesText(agent.memory_bytes))}
${fact('pipelines', count(pipelines.length))}
</dl>
<nav>${info.links.map(({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text)}</a>`).join('\n')}</nav>
</header>
<main>
${pipelines.length === 0 ? '<p>No pipeline is configured.</p>' : pipelines.map(pipelineHtml).join('\n')}
</main>
<footer>Since the start of the agent. Read again every 10 s. The same as JSON: <code>curl -H 'Accept: application/json'</code></footer>
</body>
</html>
`;
}

function pipelineHtml({ name, receivers, processors, exporters }: StatusDocument['pipelines'][number]): string {
  const stages = [
    stageHtml('Receivers', receivers),
    ...processors.map((processor) => stageHtml('Processor', [processor])),
    stageHtml('Exporters', exporters),
  ];
  return `<section>
<h2>${escapeHtml(name)}</h2>
<ol class="flow">
${stages.join('\n')}
</ol>
</section>`;
}

function stageHtml(title: string, components: readonly ComponentDocument[]): string {
  return `<li><h3>${title}</h3>${components.map(componentHtml).join('')}</li>`;
}

function componentHtml(component: ComponentDocument): string {
  const { id, state, reason, dropped } = component;
  const counters: [string, number, boolean][] = [
    ['accepted', component.accepted, false],
    ['sent', component.sent, false],
    ['queued', component.queued, false],
    ['refused', component.refused, true],
    ['failed', component.failed, true],
    ['skipped', component.skipped, true],
    ['timed out', component.timed_out, true],
    ...Object.entries(dropped).map(([why, number]): [string, number, boolean] => [
      `dropped: ${why.replaceAll('_', ' ')}`,
      number,
      // What a filter takes out was asked for.
      !/^filtered(:|$)/.test(why),
    ]),
  ];
  const shown = counters.filter(([, number]) => number > 0);
  return `<article class="${state}">
<h4><span class="state" title="${state}"></span>${escapeHtml(id)}</h4>
${state === 'running' && reason === '' ? '' : `<p class="reason">${state}${reason === '' ? '' : `: ${escapeHtml(reason)}`}</p>`}
${shown.length === 0 ? '' : `<dl>${shown.map(([name, number, isBad]) => `<div${isBad ? ' class="bad"' : ''}><dt>${escapeHtml(name)}</dt><dd>${count(number)}</dd></div>`).join('')}</dl>`}
</article>`;
}

function fact(name: string, value: string): string {
  return `<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}

function bytesText(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
