/** What the tether tells its starter: the server's process, then how it ended with its last words on stderr. */
export type TetherMessage =
  | { readonly type: 'started'; readonly pid: number }
  | {
      readonly type: 'exited';
      readonly code: number | null;
      readonly signal: string | null;
      readonly tail: string;
    };
