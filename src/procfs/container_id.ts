/** Which container this process runs in (`container.id` of the semantic conventions). */

/** Reads a file of this process's own `/proc`, whatever machine is measured. */
export type ReadText = (path: string) => string;

/**
 * The id of the container of this very process, or undefined outside of one, and where a runtime hides it.
 * Control groups of version 1 name it in `/proc/self/cgroup`; with version 2 and a namespace of its own, a container
 * sees `0::/` there, but the files that its runtime mounts into it lie in a folder of that name.
 */
export function detectContainerId(readText: ReadText): string | undefined {
  for (const [path, parse] of [
    ['/proc/self/cgroup', parseCgroupContainerId],
    ['/proc/self/mountinfo', parseMountinfoContainerId],
  ] as const) {
    try {
      const id = parse(readText(path));
      if (id !== undefined) return id;
    } catch {
      // Without the file (not Linux, or /proc is hidden) the id cannot be told, which is no failure.
    }
  }
  return undefined;
}

/**
 * From lines such as `12:memory:/docker/8d…64 hex…f0`, `0::/system.slice/docker-8d….scope`,
 * `1:name=systemd:/kubepods.slice/kubepods-pod1.slice/cri-containerd-8d….scope`.
 */
export function parseCgroupContainerId(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const path = line.split(':').slice(2).join(':');
    const id = containerIdOfCgroup(path);
    if (id !== undefined) return id;
  }
  return undefined;
}

/**
 * The container that a control group belongs to: its last part that is an id, without the runtime's prefix
 * (`docker-`, `cri-containerd-`, `crio-`, `libpod-`, …) and the suffix `.scope`.
 */
export function containerIdOfCgroup(path: string): string | undefined {
  for (const part of path.split('/').reverse()) {
    // containerd without systemd writes kubepods-….slice:cri-containerd:ID.
    const match = /(?:^|[-:])([0-9a-f]{64})(?:\.scope)?$/.exec(part);
    // crio-conmon-ID and libpod-conmon-ID are the monitors beside the container.
    if (match !== null && !part.includes('conmon')) return match[1];
  }
  return undefined;
}

/**
 * From lines such as
 * `536 517 8:1 /var/lib/docker/containers/8d…64 hex…f0/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw`.
 */
export function parseMountinfoContainerId(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const [, , , root, mountPoint] = line.split(' ');
    if (root === undefined || mountPoint === undefined || !RUNTIME_FILES.has(mountPoint)) continue;
    // Not containerd's …/sandboxes/ID/hostname: that is the pod's own id, which all its containers share.
    const match = /\/(?:containers|overlay-containers)\/([0-9a-f]{64})\//.exec(root);
    if (match !== null) return match[1];
  }
  return undefined;
}

/** What Docker, Podman and CRI-O mount from the container's own folder. */
const RUNTIME_FILES: ReadonlySet<string> = new Set([
  '/etc/hostname',
  '/etc/hosts',
  '/etc/resolv.conf',
  '/run/.containerenv',
]);
