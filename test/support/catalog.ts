/** A catalog of components that are loaded already. */
import type { Catalog } from '../../src/config/registry.ts';
import type { Definitions } from './agent.ts';

export function catalogOf({ receivers, processors, exporters }: Definitions): Catalog {
  return { receivers: loadersOf(receivers), processors: loadersOf(processors), exporters: loadersOf(exporters) };
}

function loadersOf<D extends { readonly type: string }>(definitions: readonly D[]) {
  return Object.fromEntries(
    definitions.map((definition) => [definition.type, () => Promise.resolve({ default: definition })] as const),
  );
}
