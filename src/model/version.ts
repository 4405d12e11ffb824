/** The version of the agent, as it names itself to others. */
import manifest from '../../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
