const NODE_MINIMUM = [20, 19];

/** One sentence if `version` (as in `process.versions.node`) is too old for zmesh, else undefined. */
export function nodeFault(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1])) return undefined;
  return `zmesh needs Node ${NODE_MINIMUM.join('.')} or newer, this is ${version} (https://nodejs.org)`;
}
