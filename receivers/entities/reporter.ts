/** Entities as log records: when they come, change, go, and at intervals that they are still there. */
import type { AnyValue, Attributes } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { eventRecord, INFO } from '../../src/model/event_record.ts';
import type { Outlet } from '../../src/outlet.ts';

export interface Entity {
  readonly type: string;
  readonly id: Readonly<Record<string, string>>;
  readonly description: Attributes;
  readonly relationships: readonly Relationship[];
}

/** From the entity that lives shorter to the one that lives longer, so that fewer events are needed. */
export interface Relationship {
  readonly type: 'runs_on' | 'part_of' | 'child_of';
  readonly to: Pick<Entity, 'type' | 'id'>;
}

export interface Reporter {
  /** Tells the state of an entity that is there, if it was not told within the interval. */
  keep(entity: Entity, now_ms: number): void;
  /** It is another object of the same entity: its state has changed. */
  replace(before: Entity, entity: Entity, now_ms: number): void;
  end(entity: Entity, reason: string): void;
}

export interface ReporterOptions {
  readonly outlet: Outlet;
  readonly resource: Resource;
  readonly scope: Scope;
  readonly interval_ms: number;
}

export function createReporter({ outlet, resource, scope, interval_ms }: ReporterOptions): Reporter {
  /** When the state is to be told again. */
  const due_ms = new Map<Entity, number>();
  // The specification has whole seconds.
  const interval = Math.max(1, Math.round(interval_ms / 1000));

  function tell(eventName: string, body: string, attributes: Record<string, AnyValue>): void {
    const now = BigInt(Date.now()) * 1_000_000n;
    outlet.push(
      eventRecord({
        resource,
        scope,
        time: now,
        observedTime: now,
        severityNumber: INFO,
        body,
        attributes,
        eventName,
      }),
    );
  }

  function tellState(entity: Entity): void {
    const { type, id, description, relationships } = entity;
    tell('entity.state', `${nameOf(entity)} is there`, {
      'entity.type': type,
      'entity.id': id,
      'entity.description': description,
      'entity.relationships': relationships.map(({ type: relation, to }) => ({
        'relationship.type': relation,
        'entity.type': to.type,
        'entity.id': to.id,
      })),
      'entity.report.interval': interval,
    });
  }

  return {
    keep(entity, now_ms) {
      if ((due_ms.get(entity) ?? -Infinity) > now_ms) return;
      due_ms.set(entity, now_ms + interval_ms);
      tellState(entity);
    },
    replace(before, entity, now_ms) {
      due_ms.delete(before);
      due_ms.set(entity, now_ms + interval_ms);
      tellState(entity);
    },
    end(entity, reason) {
      // Nobody heard of it.
      if (!due_ms.delete(entity)) return;
      tell('entity.delete', `${nameOf(entity)} is gone`, {
        'entity.type': entity.type,
        'entity.id': entity.id,
        'entity.delete.reason': reason,
      });
    },
  };
}

function nameOf({ type, id }: Entity): string {
  return `${type} ${Object.values(id)[0]}`;
}
