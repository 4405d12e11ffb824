import { spawn } from 'node:child_process';
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createFolderLock, readHolder } from '../src/folder_lock.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'sonde-test-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const lockFile = (): string => join(folder, 'lock');
const sleeper = () => {
  const child = spawn('sleep', ['60']);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
};
/** As its own lock would say. */
function identityOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
}

test('createFolderLock takes a folder and gives it back', async () => {
  const lock = createFolderLock(folder);
  await lock.acquire();
  expect(lock.isHeldHere()).toBe(true);
  expect(existsSync(lockFile())).toBe(true);
  lock.release();
  expect(lock.isHeldHere()).toBe(false);
  expect(existsSync(lockFile())).toBe(false);
});

test('createFolderLock works on a file system without links', async () => {
  const { linkSync } = fs;
  const put = (link: typeof linkSync): void => {
    fs.linkSync = link;
    syncBuiltinESMExports();
  };
  onTestFinished(() => put(linkSync));
  put(() => {
    throw Object.assign(new Error('no links'), { code: 'EPERM' });
  });
  writeFileSync(lockFile(), '4194305 17');
  const lock = createFolderLock(folder);
  await lock.acquire();
  expect(readFileSync(lockFile(), 'utf8')).toMatch(new RegExp(`^${process.pid}\\b`));
  expect(readdirSync(folder)).toEqual(['lock']);
  lock.release();
  const { pid } = sleeper();
  writeFileSync(lockFile(), identityOf(pid!));
  await expect(createFolderLock(folder).acquire()).rejects.toThrow(`process ${pid} uses it`);
});

test.each(['', 'nonsense', '0', '4194305 17'])(
  'createFolderLock takes over a lock that says %j, as a power cut or a killed process leaves it',
  async (text) => {
    writeFileSync(lockFile(), text);
    const lock = createFolderLock(folder);
    await lock.acquire();
    expect(readFileSync(lockFile(), 'utf8')).toMatch(new RegExp(`^${process.pid}\\b`));
    lock.release();
  },
);

test.runIf(process.platform === 'linux')(
  'createFolderLock refuses while another process has it, and names it',
  async () => {
    const { pid } = sleeper();
    writeFileSync(lockFile(), identityOf(pid!));
    const lock = createFolderLock(folder);
    await expect(lock.acquire()).rejects.toThrow(`Cannot use the queue in ${folder}: process ${pid} uses it`);
    expect(lock.isHeldHere()).toBe(false);
    expect(readFileSync(lockFile(), 'utf8')).toBe(identityOf(pid!));
  },
);

test.runIf(process.platform === 'linux')(
  'createFolderLock waits a moment for a process that ends just now',
  async () => {
    const child = sleeper();
    writeFileSync(lockFile(), identityOf(child.pid!));
    const lock = createFolderLock(folder);
    const acquired = lock.acquire();
    child.kill('SIGKILL');
    await acquired;
    expect(readFileSync(lockFile(), 'utf8')).toBe(identityOf(process.pid));
    lock.release();
  },
);

test.runIf(process.platform === 'linux')(
  'createFolderLock takes over from a process that ended and was not asked for',
  async () => {
    // The shell becomes `sleep`, which never asks what became of its child.
    const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60']);
    onTestFinished(() => void parent.kill('SIGKILL'));
    const [text] = (await parent.stdout.take(1).toArray()) as Buffer[];
    const pid = Number(text);
    writeFileSync(lockFile(), identityOf(pid));
    const state = (): string => readFileSync(`/proc/${pid}/stat`, 'latin1');
    await expect.poll(state).toContain(') Z ');
    const lock = createFolderLock(folder);
    await lock.acquire();
    expect(state()).toContain(') Z ');
    lock.release();
  },
);

test('readHolder names the process that has the lock, and none that has ended or is another by now', async () => {
  expect(readHolder(folder)).toBeUndefined();
  const lock = createFolderLock(folder);
  await lock.acquire();
  expect(readHolder(folder)).toBe(process.pid);
  lock.release();
  expect(readHolder(folder)).toBeUndefined();
  writeFileSync(lockFile(), `${process.pid} 1`);
  expect(readHolder(folder)).toBeUndefined();
  // Above the largest number that Linux gives.
  for (const text of ['99999999 1', '', 'what?', '0 1', '-1 1']) {
    writeFileSync(lockFile(), text);
    expect(readHolder(folder)).toBeUndefined();
  }
});

test('createFolderLock lets one of several processes take a lock, also one that a killed one left, and leaves nothing beside it', async () => {
  const left = ['4194305 17', '', undefined].flatMap((text) => [text, text, text, text]);
  const folders = left.map((text, index) => {
    const path = join(folder, String(index));
    mkdirSync(path);
    if (text === undefined) return path;
    writeFileSync(join(path, 'lock'), text);
    // One was killed while it took over.
    if (index % 2 === 0) writeFileSync(join(path, 'lock.taking'), text);
    return path;
  });
  const script = `
    import { createFolderLock } from ${JSON.stringify(join(import.meta.dirname, '../src/folder_lock.ts'))};
    process.stdin.once('data', async () => {
      const taken = [];
      await Promise.all(${JSON.stringify(folders)}.map((folder) =>
        createFolderLock(folder).acquire().then(() => taken.push(folder), () => {})));
      console.log(taken.join());
    });
    console.log('ready');`;
  const children = Array.from({ length: 5 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  onTestFinished(() => children.forEach((child) => void child.kill('SIGKILL')));
  const lines = children.map(({ stdout }) => createInterface({ input: stdout })[Symbol.asyncIterator]());
  await Promise.all(lines.map((line) => line.next()));
  for (const { stdin } of children) stdin.write('go\n');
  const answers = await Promise.all(lines.map(async (line) => String((await line.next()).value)));
  const taken = answers.flatMap((answer) => answer.split(',').filter((path) => path !== ''));
  expect(taken.toSorted()).toEqual(folders.toSorted());
  for (const path of folders) expect(readdirSync(path)).toEqual(['lock']);
});
