import type { AdaptScope } from './canonical.js';

/** What an import tells while it works; one JSON object a line under `--json`. */
export type ImportEvent =
  | {
      readonly type: 'checkpoint';
      readonly name: string;
      readonly architecture: string;
      readonly parameters: number;
      /** Where the prepared model goes. */
      readonly folder: string;
    }
  | {
      /** Weights are being hashed. */
      readonly type: 'hash';
      readonly doneBytes: number;
      readonly totalBytes: number;
    }
  | {
      /** What is to be done. */
      readonly type: 'plan';
      readonly adapt: AdaptScope;
      /** Matrices that are to be decomposed now, and such that an earlier run left. */
      readonly matrices: number;
      readonly reused: number;
      readonly jobs: number;
    }
  | {
      /** One matrix is done. */
      readonly type: 'matrix';
      readonly name: string;
      readonly rows: number;
      readonly columns: number;
      /** ‖W − UΣVᵀ‖_F / ‖W‖_F of the factors as stored. */
      readonly error: number;
      readonly seconds: number;
      readonly gemm: string;
      readonly done: number;
      readonly total: number;
      /** Share of the work that is done, 0 to 1. */
      readonly share: number;
      /** Seconds left at the pace so far; null = not known yet. */
      readonly secondsLeft: number | null;
    }
  | {
      readonly type: 'done';
      readonly name: string;
      readonly folder: string;
      readonly fingerprint: string;
      readonly basisId: string;
      /** True if nothing had to be decomposed or written. */
      readonly reused: boolean;
      readonly matrices: number;
      /** Largest error over the adapted matrices. */
      readonly reconstructionError: number;
      readonly seconds: number;
    }
  | { readonly type: 'error'; readonly reason: string; readonly message: string };
