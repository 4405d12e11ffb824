/** Strict readers of the exposition formats, written from their specifications and not from our writer. */

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  readonly exemplar: { readonly labels: ReadonlyMap<string, string>; readonly value: number } | undefined;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string | undefined;
  readonly unit: string | undefined;
  readonly samples: Sample[];
}

const TEXT_TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const OPENMETRICS_TYPES = ['counter', 'gauge', 'histogram', 'summary', 'unknown', 'info'];
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$|^NaN$|^[+-]Inf$/;

const SUFFIXES: Record<string, readonly string[]> = {
  counter: ['_total', '_created'],
  gauge: [''],
  unknown: [''],
  untyped: [''],
  info: ['_info'],
  histogram: ['_bucket', '_sum', '_count', '_created'],
  summary: ['', '_sum', '_count', '_created'],
};

/** @throws SyntaxError on anything that the format does not allow */
export function parseExposition(text: string, format: 'text' | 'openmetrics'): Map<string, ParsedFamily> {
  const isOpenMetrics = format === 'openmetrics';
  let body = text;
  if (isOpenMetrics) {
    if (!text.endsWith('# EOF\n')) throw new SyntaxError('no # EOF at the end');
    body = text.slice(0, -'# EOF\n'.length);
  }
  if (body !== '' && !body.endsWith('\n')) throw new SyntaxError('the last line does not end');
  if (!body.isWellFormed()) throw new SyntaxError('not UTF-8');
  const families = new Map<string, ParsedFamily>();
  const seen = new Set<string>();
  let family: (ParsedFamily & { help: string | undefined; unit: string | undefined; type: string }) | undefined;
  for (const line of body.split('\n').slice(0, -1)) {
    if (line.startsWith('#')) {
      const match = /^# (HELP|TYPE|UNIT) ("(?:[^"\\]|\\.)*"|\S+)(?: (.*))?$/s.exec(line);
      if (match === null) throw new SyntaxError(`bad comment: ${line}`);
      const [, word, quoted, rest = ''] = match;
      const name = quoted!.startsWith('"') ? unescape(quoted!.slice(1, -1), true) : legacy(quoted!);
      if (family?.name !== name) {
        if (families.has(name)) throw new SyntaxError(`family in two pieces: ${name}`);
        family = { name, type: '', help: undefined, unit: undefined, samples: [] };
        families.set(name, family);
      }
      if (family.samples.length > 0) throw new SyntaxError(`comment behind samples: ${line}`);
      if (word === 'TYPE') {
        if (family.type !== '') throw new SyntaxError(`two TYPE lines: ${name}`);
        if (!(isOpenMetrics ? OPENMETRICS_TYPES : TEXT_TYPES).includes(rest))
          throw new SyntaxError(`bad type: ${line}`);
        family.type = rest;
      } else if (word === 'HELP') {
        if (family.help !== undefined) throw new SyntaxError(`two HELP lines: ${name}`);
        family.help = unescape(rest, isOpenMetrics);
      } else {
        if (!isOpenMetrics || !name.endsWith(`_${rest}`)) throw new SyntaxError(`bad unit: ${line}`);
        family.unit = rest;
      }
      continue;
    }
    const sample = parseSample(line, isOpenMetrics);
    if (family === undefined || family.type === '') throw new SyntaxError(`sample without TYPE: ${line}`);
    const suffixes = family.type === 'counter' && !isOpenMetrics ? [''] : SUFFIXES[family.type]!;
    if (!suffixes.some((suffix) => sample.name === family!.name + suffix)) {
      throw new SyntaxError(`${sample.name} is no sample of ${family.type} ${family.name}`);
    }
    if (sample.exemplar !== undefined && !/_(total|bucket)$/.test(sample.name)) {
      throw new SyntaxError(`exemplar on ${sample.name}`);
    }
    const id = `${sample.name} ${JSON.stringify([...sample.labels].sort())}`;
    if (seen.has(id)) throw new SyntaxError(`duplicate series: ${line}`);
    seen.add(id);
    family.samples.push(sample);
  }
  const owners = new Map<string, string>();
  for (const { name, samples, type } of families.values()) {
    if (type === '') throw new SyntaxError(`no TYPE: ${name}`);
    if (type === 'histogram') checkBuckets(name, samples, isOpenMetrics);
    for (const sample of samples) {
      const owner = owners.get(sample.name);
      if (owner !== undefined && owner !== name) throw new SyntaxError(`${sample.name} is of ${owner} and of ${name}`);
      owners.set(sample.name, name);
    }
  }
  return families;
}

function parseSample(line: string, isOpenMetrics: boolean): Sample {
  const reader = new Reader(line);
  const { name, labels } = reader.nameAndLabels();
  reader.expect(' ');
  const value = reader.number();
  let exemplar: Sample['exemplar'];
  if (!reader.isAtEnd) {
    if (!isOpenMetrics) throw new SyntaxError(`more than a value: ${line}`);
    reader.expect(' # {');
    const pairs = reader.labels(new Map());
    reader.expect(' ');
    exemplar = { labels: pairs, value: reader.number() };
    if (!reader.isAtEnd) {
      reader.expect(' ');
      reader.number();
    }
    let length = 0;
    for (const [label, text] of pairs) length += [...label].length + [...text].length;
    if (length > 128) throw new SyntaxError(`exemplar of ${length} code points: ${line}`);
  }
  if (!reader.isAtEnd) throw new SyntaxError(`rest of line: ${line}`);
  return { name, labels, value, exemplar };
}

class Reader {
  readonly #line: string;
  #at = 0;
  constructor(line: string) {
    this.#line = line;
  }
  get isAtEnd(): boolean {
    return this.#at === this.#line.length;
  }
  #take(pattern: RegExp): string | undefined {
    const sticky = new RegExp(pattern.source, 'suy');
    sticky.lastIndex = this.#at;
    const text = sticky.exec(this.#line)?.[0];
    if (text !== undefined) this.#at += text.length;
    return text;
  }
  expect(text: string): void {
    if (!this.#line.startsWith(text, this.#at)) throw new SyntaxError(`no "${text}" at ${this.#at}: ${this.#line}`);
    this.#at += text.length;
  }
  #quoted(): string | undefined {
    const text = this.#take(/"(?:[^"\\\n]|\\["\\n])*"/);
    return text === undefined ? undefined : unescape(text.slice(1, -1), true);
  }
  nameAndLabels(): { name: string; labels: Map<string, string> } {
    const labels = new Map<string, string>();
    const name = this.#take(/[a-zA-Z_:][a-zA-Z0-9_:]*/);
    if (name !== undefined) {
      if (this.#take(/\{/) !== undefined) this.labels(labels);
      return { name, labels };
    }
    this.expect('{');
    const quoted = this.#quoted();
    if (quoted === undefined) throw new SyntaxError(`no name: ${this.#line}`);
    if (legacyName(quoted)) throw new SyntaxError(`quotes without need: ${this.#line}`);
    if (this.#take(/,/) !== undefined) this.labels(labels);
    else this.expect('}');
    return { name: quoted, labels };
  }
  /** Behind the brace, to the one that closes. */
  labels(labels: Map<string, string>): Map<string, string> {
    if (this.#take(/\}/) !== undefined) return labels;
    for (;;) {
      const name = this.#take(/[a-zA-Z_][a-zA-Z0-9_]*/) ?? this.#quoted();
      if (name === undefined || name === '') throw new SyntaxError(`no label at ${this.#at}: ${this.#line}`);
      this.expect('=');
      const value = this.#quoted();
      if (value === undefined) throw new SyntaxError(`no value at ${this.#at}: ${this.#line}`);
      if (labels.has(name)) throw new SyntaxError(`label ${name} twice: ${this.#line}`);
      labels.set(name, value);
      if (this.#take(/,/) === undefined) break;
    }
    this.expect('}');
    return labels;
  }
  number(): number {
    const text = this.#take(/[^ ]+/) ?? '';
    if (!NUMBER.test(text)) throw new SyntaxError(`no number "${text}": ${this.#line}`);
    return text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text);
  }
}

function checkBuckets(name: string, samples: readonly Sample[], isOpenMetrics: boolean): void {
  const points = new Map<string, { edges: number[]; counts: number[]; count: number | undefined; hasSum: boolean }>();
  for (const sample of samples) {
    const labels = new Map(sample.labels);
    const le = labels.get('le');
    labels.delete('le');
    const id = JSON.stringify([...labels].sort());
    let point = points.get(id);
    if (point === undefined) points.set(id, (point = { edges: [], counts: [], count: undefined, hasSum: false }));
    if (sample.name === `${name}_count`) point.count = sample.value;
    else if (sample.name === `${name}_sum`) point.hasSum = true;
    else if (sample.name === `${name}_bucket`) {
      if (le === undefined || !NUMBER.test(le)) throw new SyntaxError(`bad le "${le}": ${name}`);
      if (isOpenMetrics && !/[.e]|Inf/.test(le)) throw new SyntaxError(`le "${le}" is not canonical: ${name}`);
      point.edges.push(le === '+Inf' ? Infinity : le === '-Inf' ? -Infinity : Number(le));
      point.counts.push(sample.value);
    }
  }
  for (const { edges, counts, count, hasSum } of points.values()) {
    if (edges.at(-1) !== Infinity) throw new SyntaxError(`no +Inf bucket: ${name}`);
    if (!edges.every((edge, i) => i === 0 || edge > edges[i - 1]!))
      throw new SyntaxError(`bounds do not rise: ${name}`);
    if (!counts.every((one, i) => i === 0 || one >= counts[i - 1]!)) throw new SyntaxError(`counts fall: ${name}`);
    if (count !== undefined && count !== counts.at(-1)) throw new SyntaxError(`+Inf is not the count: ${name}`);
    if (isOpenMetrics && hasSum !== (count !== undefined)) throw new SyntaxError(`sum without count: ${name}`);
  }
}

function legacyName(name: string): boolean {
  return /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name);
}

function legacy(name: string): string {
  if (!legacyName(name)) throw new SyntaxError(`bad name: ${name}`);
  return name;
}

function unescape(text: string, hasQuotes: boolean): string {
  return text.replace(/\\(.)|"/gs, (all, escaped: string | undefined) => {
    if (escaped === 'n') return '\n';
    if (escaped === '\\') return '\\';
    if (hasQuotes && escaped === '"') return '"';
    if (!hasQuotes && all === '"') return all;
    throw new SyntaxError(`bad escape ${all}: ${text}`);
  });
}
