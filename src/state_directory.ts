/** Where the agent keeps what outlives it: positions, checkpoints, queues. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What systemd gives a service, what the file system standard names for root, what XDG does for others. */
export function stateDirectory(folder: string): string {
  const { STATE_DIRECTORY, XDG_STATE_HOME } = process.env;
  // systemd lists several with colons between them.
  if (STATE_DIRECTORY !== undefined && STATE_DIRECTORY !== '') return join(STATE_DIRECTORY.split(':', 1)[0]!, folder);
  if (process.getuid?.() === 0) return join('/var/lib/sonde', folder);
  // An empty one stands for none (XDG Base Directory Specification).
  return join(XDG_STATE_HOME || join(homedir(), '.local/state'), 'sonde', folder);
}
