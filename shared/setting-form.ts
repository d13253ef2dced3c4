import { readServerList } from './events/server-list.js';

/** What a text must look like: `host:port`, an http(s) URL, or a list of NATS servers. */
export type SettingForm = 'host:port' | 'http URL' | 'NATS URLs';

const ADDRESS = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** What is wrong with a text of that form; undefined if nothing is. What it says holds nothing of the text, which may have a password. */
export function formFault(form: SettingForm, text: string): string | undefined {
  if (form === 'host:port')
    return isAddress(text) ? undefined : `not host:port with a port from 1 to ${PORT_MAX}`;
  try {
    if (form === 'NATS URLs') readServerList(text);
    else if (!['http:', 'https:'].includes(new URL(text).protocol)) return 'not an http:// or https:// URL';
    return undefined;
  } catch {
    return form === 'NATS URLs' ? 'not a list of nats:// or tls:// URLs' : 'not an http:// or https:// URL';
  }
}

function isAddress(text: string): boolean {
  const port = Number(ADDRESS.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= PORT_MAX;
}
