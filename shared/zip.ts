import { crc32, inflateRawSync } from 'node:zlib';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_ENTRY = 0x04034b50;
const END_SIZE = 22;
const MAX_COMMENT = 0xffff;

/** One file of an archive. */
export interface ZipFile {
  /** Its uncompressed size, as the directory says; `read` finds out if that is not so. */
  readonly bytes: number;
  read(): Buffer;
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly offset: number;
}

/**
 * The first file of a zip archive (a Python wheel is one) whose name `matches`, uncompressed; undefined if there is none.
 * Knows stored and deflated files below 4 GiB and checks their CRC-32. Throws on anything else.
 */
export function readZipFile(archive: Buffer, matches: (name: string) => boolean): Buffer | undefined {
  const entry = directory(archive).find((candidate) => matches(candidate.name));
  return entry && extract(archive, entry);
}

/** A zip archive's files by name, each read when it is asked for; of equal names the first. Throws as readZipFile. */
export function openZip(archive: Buffer): ReadonlyMap<string, ZipFile> {
  const files = new Map<string, ZipFile>();
  for (const entry of directory(archive))
    if (!files.has(entry.name))
      files.set(entry.name, { bytes: entry.bytes, read: () => extract(archive, entry) });
  return files;
}

function directory(archive: Buffer): readonly Entry[] {
  const end = findEnd(archive);
  const count = archive.readUInt16LE(end + 10);
  let at = archive.readUInt32LE(end + 16);
  if (count === 0xffff || at === 0xffffffff) throw new Error('zip64 archives are not supported');
  return Array.from({ length: count }, () => {
    if (archive.readUInt32LE(at) !== DIRECTORY_ENTRY) throw new Error('zip archive with a broken directory');
    const nameBytes = archive.readUInt16LE(at + 28);
    const entry = {
      name: archive.toString('utf8', at + 46, at + 46 + nameBytes),
      method: archive.readUInt16LE(at + 10),
      crc: archive.readUInt32LE(at + 16),
      compressedBytes: archive.readUInt32LE(at + 20),
      bytes: archive.readUInt32LE(at + 24),
      offset: archive.readUInt32LE(at + 42),
    };
    at += 46 + nameBytes + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
    return entry;
  });
}

function findEnd(archive: Buffer): number {
  for (
    let at = archive.length - END_SIZE;
    at >= Math.max(0, archive.length - END_SIZE - MAX_COMMENT);
    at -= 1
  ) {
    if (archive.readUInt32LE(at) === END_OF_DIRECTORY) return at;
  }
  throw new Error('not a zip archive');
}

function extract(archive: Buffer, entry: Entry): Buffer {
  if (archive.readUInt32LE(entry.offset) !== LOCAL_ENTRY)
    throw new Error(`zip archive: ${entry.name} is not where the directory says`);
  const start =
    entry.offset + 30 + archive.readUInt16LE(entry.offset + 26) + archive.readUInt16LE(entry.offset + 28);
  const packed = archive.subarray(start, start + entry.compressedBytes);
  const data = unpack(packed, entry);
  if (data.length !== entry.bytes || crc32(data) !== entry.crc)
    throw new Error(`zip archive: ${entry.name} is damaged`);
  return data;
}

function unpack(packed: Buffer, entry: Entry): Buffer {
  if (entry.method === 0) return packed;
  if (entry.method === 8) return inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.bytes) });
  throw new Error(
    `zip archive: ${entry.name} uses compression method ${entry.method}, not stored or deflate`,
  );
}
