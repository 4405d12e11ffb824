/** The whole text for one format: families sorted by name, each once and in one piece. */
import { isLegacyMetricName } from '../../src/prometheus/names.ts';
import { drop, type Compiled, type Compiler, type FamilyHead, type Lines } from './families.ts';
import { escapeText } from './label_text.ts';
import type { Source } from './store.ts';

export interface Exposition {
  /** Writes everything anew, into a buffer that stays as it is until it is released. */
  render(sources: readonly Source[]): Buffer;
  /** Says that nobody reads an earlier rendering any more, so that its buffer may be written to. Never the latest. */
  release(rendered: Buffer): void;
  /** What the last rendering left out, source by source. */
  readonly compiled: readonly Compiled[];
}

interface Family {
  readonly head: FamilyHead;
  help: string;
  unit: string;
  /** Lines, and which source they are from. */
  readonly parts: { readonly lines: Lines; readonly source: number }[];
  comments: Buffer;
}

export function createExposition(compiler: Compiler, kind: 'text' | 'openmetrics'): Exposition {
  const end = Buffer.from(kind === 'openmetrics' ? '# EOF\n' : '');
  let compiled: Compiled[] = [];
  /** Those that lost lines to another source when they were merged: they are compiled anew before the next merge. */
  const isPartial = new WeakSet<Compiled>();
  let families: Family[] = [];
  /** Most bytes that all families need without tails; undefined until it is counted. */
  let capacityWithoutTails: number | undefined;
  let spare: Buffer | undefined;

  /** The same series as the last time, and histograms of the same shapes. */
  function isCurrent(sources: readonly Source[]): boolean {
    if (sources.length !== compiled.length) return false;
    for (let i = 0; i < sources.length; i++) {
      const { series, lines } = compiled[i]!;
      if (series !== sources[i]!.series) return false;
      for (let at = 0; at < lines.length; at++) if (!compiler.fits(lines[at]!, sources[i]!)) return false;
    }
    return true;
  }

  /** Brings lines and families in step with the sources. */
  function update(sources: readonly Source[]): void {
    if (isCurrent(sources)) return;
    const known = new Map(compiled.map((one) => [one.series, one]));
    let isChanged = sources.length !== compiled.length;
    const current = sources.map((source, i) => {
      const one = known.get(source.series);
      known.delete(source.series);
      if (one !== undefined && one.lines.every((lines) => compiler.fits(lines, source))) {
        isChanged ||= one !== compiled[i];
        return one;
      }
      isChanged = true;
      return compiler.compile(source);
    });
    if (!isChanged) return;
    compiled = current.map((one, i) => (isPartial.has(one) ? compiler.compile(sources[i]!) : one));
    families = merge(sources);
    capacityWithoutTails = undefined;
  }

  function merge(sources: readonly Source[]): Family[] {
    const merged = new Map<string, Family>();
    /** Which family each sample name belongs to. */
    const owners = new Map<string, string>();
    const keys = new Map<string, Set<string>>();
    for (const [i, one] of compiled.entries()) {
      const kept: Lines[] = [];
      for (const lines of one.lines) {
        const { head } = lines;
        const family = merged.get(head.family);
        if (family === undefined) {
          if (sampleNames(head, kind).some((name) => owners.has(name))) {
            drop(one.dropped, 'name_conflict', lines.rows.length, head.family);
            continue;
          }
          for (const name of sampleNames(head, kind)) owners.set(name, head.family);
          const { help, unit } = head;
          merged.set(head.family, { head, help, unit, parts: [{ lines, source: i }], comments: end });
          kept.push(lines);
          continue;
        }
        if (family.head.type !== head.type || family.head.sample !== head.sample) {
          drop(one.dropped, 'type_conflict', lines.rows.length, head.family);
          continue;
        }
        let taken = keys.get(head.family);
        if (taken === undefined) keys.set(head.family, (taken = new Set(family.parts[0]!.lines.keys)));
        const part = withoutTaken(lines, sources[i]!, taken);
        for (const key of lines.keys) taken.add(key);
        const left = lines.rows.length - (part?.rows.length ?? 0);
        if (left > 0) drop(one.dropped, 'duplicate_series', left, head.sample);
        family.help ||= head.help;
        family.unit ||= head.unit;
        if (part === undefined) continue;
        family.parts.push({ lines: part, source: i });
        kept.push(part);
      }
      if (kept.length !== one.lines.length || kept.some((lines, at) => lines !== one.lines[at])) isPartial.add(one);
      one.lines = kept;
    }
    const sorted = [...merged.values()].sort((a, b) => (a.head.family < b.head.family ? -1 : 1));
    for (const family of sorted) family.comments = Buffer.from(comments(family, kind));
    return sorted;
  }

  function withoutTaken(lines: Lines, source: Source, taken: ReadonlySet<string>): Lines | undefined {
    const rows = lines.rows.filter((_, at) => !taken.has(lines.keys[at]!));
    if (rows.length === lines.rows.length) return lines;
    return rows.length === 0 ? undefined : compiler.restrict(lines, source, rows);
  }

  function capacity(): number {
    let total = end.length;
    for (const { comments: text, parts } of families) {
      total += text.length;
      for (const { lines } of parts) total += lines.block.capacity;
    }
    return total;
  }

  // Loops by index: until V8 has compiled them well, which takes hours at a scrape every 15 s, others make an object a turn.
  function write(sources: readonly Source[]): Buffer {
    let hasTails = false;
    for (let i = 0; i < families.length; i++) {
      const { parts } = families[i]!;
      for (let at = 0; at < parts.length; at++) {
        const { lines, source } = parts[at]!;
        compiler.fill(lines, sources[source]!);
        hasTails ||= lines.block.tails !== undefined;
      }
    }
    const needed = hasTails ? capacity() : (capacityWithoutTails ??= capacity());
    // Room to grow by a quarter, so that not every new series takes a new buffer.
    const out = spare !== undefined && spare.length >= needed ? spare : Buffer.allocUnsafeSlow(needed + (needed >> 2));
    spare = undefined;
    let at = 0;
    for (let i = 0; i < families.length; i++) {
      const { comments: text, parts } = families[i]!;
      at += text.copy(out, at);
      for (let part = 0; part < parts.length; part++) at = parts[part]!.lines.block.write(out, at);
    }
    at += end.copy(out, at);
    return out.subarray(0, at);
  }

  return {
    render(sources) {
      try {
        update(sources);
        return write(sources);
      } catch (error) {
        // Blocks may now stand in the old buffer or in the new one: forget them all.
        compiled = [];
        families = [];
        spare = undefined;
        throw error;
      }
    },
    release(rendered) {
      spare = Buffer.from(rendered.buffer, 0, rendered.buffer.byteLength);
    },
    get compiled() {
      return compiled;
    },
  };
}

/** All sample names that a family of this type can have, so that no two families get in each other's way. */
function sampleNames({ family, sample, type }: FamilyHead, kind: 'text' | 'openmetrics'): string[] {
  const names = [sample];
  if (type === 'histogram') names.push(`${sample}_bucket`);
  if (type === 'histogram' || type === 'summary') names.push(`${sample}_sum`, `${sample}_count`);
  if (kind === 'openmetrics' && (type === 'counter' || names.length > 1)) names.push(`${family}_created`);
  return names;
}

function comments({ head, help, unit }: Family, kind: 'text' | 'openmetrics'): string {
  const name = isLegacyMetricName(head.family) ? head.family : `"${escapeText(head.family)}"`;
  if (kind === 'text') {
    const type = head.type === 'unknown' ? 'untyped' : head.type === 'info' ? 'gauge' : head.type;
    // Quotes need no escape in a text HELP, and readers of 0.0.4 would show the backslash.
    const text = help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
    return `${help === '' ? '' : `# HELP ${name} ${text}\n`}# TYPE ${name} ${type}\n`;
  }
  const unitLine = unit === '' ? '' : `# UNIT ${name} ${unit}\n`;
  return `# TYPE ${name} ${head.type}\n${unitLine}${help === '' ? '' : `# HELP ${name} ${escapeText(help)}\n`}`;
}
