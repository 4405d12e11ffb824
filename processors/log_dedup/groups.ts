/** Records that are the same but for their time, as one each, with how many there were. */
import { attributesKey, type Attributes } from '../../src/model/attributes.ts';
import type { LogRecord, Resource, Scope } from '../../src/model/batch.ts';
import { readField, withoutFields, type RecordField } from '../../src/model/record_fields.ts';
import { timestampText } from '../../src/text/timestamp.ts';

export interface GroupsOptions {
  /** Fields that are compared; undefined for all. */
  readonly included: readonly RecordField[] | undefined;
  /** Fields that are not compared, and not kept. */
  readonly excluded: readonly RecordField[];
  /** Names of the attributes that the group's record gets. */
  readonly countAttribute: string;
  readonly firstAttribute: string;
  readonly lastAttribute: string;
}

export interface Groups {
  readonly count: number;
  /** Characters of what is compared, in all groups. */
  readonly size: number;
  /** Whether the record began a group. */
  add(record: LogRecord): boolean;
  /** The records of all groups, in the order in which they began; after it there are none. */
  take(): LogRecord[];
}

interface Group {
  readonly first: LogRecord;
  count: number;
  firstTime: bigint;
  lastTime: bigint;
}

export function createGroups(options: GroupsOptions): Groups {
  const { included, excluded, countAttribute, firstAttribute, lastAttribute } = options;
  const resourceKeys = new WeakMap<Resource, string>();
  const scopeKeys = new WeakMap<Scope, string>();
  let groups = new Map<string, Group>();
  let size = 0;

  function keyOf(record: LogRecord): string {
    const { resource, scope, severityNumber, severityText, eventName, body, attributes } = record;
    const fields = included?.map((field) => [field.text, readField(record, field) ?? null] as const);
    const compared: Attributes =
      fields === undefined
        ? { severityNumber, severityText, eventName, body: body ?? null, attributes }
        : Object.fromEntries(fields);
    const resourceKey = known(resourceKeys, resource, () => attributesKey(resource.attributes));
    const scopeKey = known(scopeKeys, scope, () => JSON.stringify([scope.name, scope.version]));
    return `${resourceKey}\n${scopeKey}\n${attributesKey(compared)}`;
  }

  function finish({ first, count, firstTime, lastTime }: Group): LogRecord {
    return {
      ...first,
      attributes: {
        ...first.attributes,
        [countAttribute]: count,
        [firstAttribute]: timestampText(firstTime),
        [lastAttribute]: timestampText(lastTime),
      },
    };
  }

  return {
    get count() {
      return groups.size;
    },
    get size() {
      return size;
    },
    add(original) {
      const record = withoutFields(original, excluded);
      const key = keyOf(record);
      const time = record.time === 0n ? record.observedTime : record.time;
      const group = groups.get(key);
      if (group === undefined) {
        groups.set(key, { first: record, count: 1, firstTime: time, lastTime: time });
        size += key.length;
        return true;
      }
      group.count++;
      // Records of several sources do not come in the order of their times.
      if (time < group.firstTime) group.firstTime = time;
      if (time > group.lastTime) group.lastTime = time;
      return false;
    },
    take() {
      const taken = Array.from(groups.values(), finish);
      groups = new Map();
      size = 0;
      return taken;
    },
  };
}

function known<K extends object>(keys: WeakMap<K, string>, object: K, make: () => string): string {
  let key = keys.get(object);
  if (key === undefined) keys.set(object, (key = make()));
  return key;
}
