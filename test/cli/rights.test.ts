import { expect, test } from 'vitest';
import { createRights, missingRights, rightsOfProcess } from '../../src/cli/rights.ts';
import { createHost } from '../../src/procfs/host.ts';

const GROUPS = 'root:x:0:\ndocker:x:998:alice,bob\nadm:x:4:\n';
const host = { platform: 'linux' as const, resolve: (path: string) => path };

/** The rights of a process with CAP_SYS_PTRACE alone, in the group adm. */
const rights = createRights(host, 'Name:\tnode\nCapEff:\t0000000000080000\n', GROUPS, [4]);

test.each([
  ['CAP_SYS_PTRACE', true],
  ['CAP_SYS_ADMIN', false],
  ['CAP_FROM_THE_FUTURE', undefined],
  ['group adm', true],
  ['docker', false],
  ['no_such_group', undefined],
  [import.meta.filename, true],
  // The receiver itself says what is not there at all.
  ['/no/such/file', true],
  ['search permission on the folders above a mount', undefined],
])('createRights tells whether %s is there: %s', (needs, expected) => {
  expect(rights.has(needs)).toBe(expected);
});

test('createRights knows no capabilities beyond Linux', () => {
  const elsewhere = createRights({ ...host, platform: 'darwin' }, '', '', []);
  expect(elsewhere.has('CAP_SYS_ADMIN')).toBeUndefined();
});

test('missingRights says how to get what is missing', () => {
  const asked = [
    { needs: 'CAP_SYS_ADMIN', without: 'a' },
    { needs: 'CAP_SYS_PTRACE', without: 'b' },
    { needs: 'group docker', without: 'c' },
  ];
  expect(missingRights(asked, rights)).toEqual([
    {
      needs: 'CAP_SYS_ADMIN',
      without: 'a',
      hint: 'run as root, or with AmbientCapabilities=CAP_SYS_ADMIN in the systemd unit',
    },
    { needs: 'group docker', without: 'c', hint: 'add the user of the agent to it: usermod -aG docker sonde' },
  ]);
});

test.runIf(process.platform === 'linux')('rightsOfProcess reads what the kernel says of this process', () => {
  const own = rightsOfProcess(createHost());
  expect(own.has('CAP_SYS_ADMIN')).toBeTypeOf('boolean');
});
