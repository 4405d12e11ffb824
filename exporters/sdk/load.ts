/** Finds an SDK exporter in an npm package of the user's, and makes one. */
import type { LogRecordExporter } from '@opentelemetry/sdk-logs';
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../../src/errors.ts';

/** Either kind; which it is, only its documentation says. */
export type SdkExporter = Pick<PushMetricExporter, 'selectAggregationTemporality' | 'shutdown'> & {
  export(
    data: never,
    done: Parameters<PushMetricExporter['export']>[1] & Parameters<LogRecordExporter['export']>[1],
  ): void;
};

/** @throws {ConfigError} the package, or the class in it, is not there or cannot be made */
export function loadExporter(
  id: string,
  packageName: string,
  exportName: string,
  options: Readonly<Record<string, unknown>>,
): SdkExporter {
  const module = requirePackage(id, packageName);
  const made = Object.hasOwn(module, exportName) ? module[exportName] : undefined;
  if (typeof made !== 'function') {
    const there = Object.keys(module).filter((name) => typeof module[name] === 'function');
    throw problem(id, 'export', `Cannot find the class ${exportName} in ${packageName}`, `It has ${there.join(', ')}`);
  }
  let exporter: unknown;
  try {
    exporter = new (made as new (options: unknown) => unknown)(options);
  } catch (error) {
    throw problem(id, 'options', `Cannot make a ${exportName} of ${packageName}: ${messageOf(error)}`);
  }
  if (!isExporter(exporter)) {
    const hint = 'It needs the methods export and shutdown';
    throw problem(id, 'export', `Cannot export with ${exportName} of ${packageName}: it is no exporter`, hint);
  }
  return exporter;
}

/** From the working directory, where users install what Sonde does not bring, then from where Sonde is. */
function requirePackage(id: string, name: string): Readonly<Record<string, unknown>> {
  const { createRequire } = process.getBuiltinModule('node:module');
  const folder = process.cwd();
  for (const from of [join(folder, 'sonde.cjs'), import.meta.url]) {
    try {
      return createRequire(from)(name) as Readonly<Record<string, unknown>>;
    } catch (error) {
      if (isMissing(error, name)) continue;
      throw problem(id, 'package', `Cannot load the package ${name}: ${messageOf(error)}`);
    }
  }
  const place = `it is not in ${join(folder, 'node_modules')} or a folder above`;
  throw problem(id, 'package', `Cannot find the package ${name}: ${place} (run "npm install ${name}" there)`);
}

/** Whether the package itself is missing, and not one that it needs. */
function isMissing(error: unknown, name: string): boolean {
  return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' && messageOf(error).includes(`'${name}'`);
}

function isExporter(made: unknown): made is SdkExporter {
  const { export: send, shutdown } = Object(made) as Record<string, unknown>;
  return typeof send === 'function' && typeof shutdown === 'function';
}

function problem(id: string, option: string, message: string, hint?: string): ConfigError {
  return new ConfigError([{ message, path: `exporters.${id}.${option}`, hint }]);
}
