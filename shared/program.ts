import { loadSettings, SettingsError, type SettingsTable, type SourceName } from './config.js';
import { type GivenSettings, givenSettings } from './given-settings.js';
import { type RunningService, runService } from './lifecycle.js';
import type { Logger } from './log.js';
import { startProbes } from './probes.js';
import { PROCESS_SETTINGS } from './process-settings.js';
import { helpText, maskedSettings } from './settings-text.js';
import { startTelemetry } from './telemetry/start.js';
import { unknownVariables } from './unknown-variables.js';

/** A service as a program. */
export interface Program<S extends ProgramSettings> {
  /** Its name in logs, traces and metrics. */
  readonly name: string;
  /** What it is, for `--help`. */
  readonly about: string;
  readonly settings: SettingsTable;
  /** Reads the settings from what was given. Throws SettingsError with every fault. */
  load(env: NodeJS.ProcessEnv, sourceOf: SourceName): S;
  start(settings: S, log: Logger): Promise<RunningService>;
}

/** What every service's table has. */
export interface ProgramSettings {
  /** Address to listen on. */
  readonly host: string;
  /** Port of metrics and probes; 0 = a free one, -1 = none. */
  readonly httpPort: number;
}

/**
 * Runs a service from its command line to its end: prints `--help`; else reads the settings (flags, environment, file), logs
 * them with secrets masked, starts telemetry and probes, starts the service, and drains in the opposite order. All faults of
 * the settings are told at once and end the process with status 1.
 */
export function runProgram<S extends ProgramSettings>(
  program: Program<S>,
  args: readonly string[] = process.argv.slice(2),
): void {
  const { name } = program;
  const given = givenSettings({ ...PROCESS_SETTINGS, ...program.settings }, { args, env: process.env });
  if (given.help) {
    process.stdout.write(programHelp(program));
    return;
  }
  const { own, common, faults } = loadAll(program, given);
  // From here on what reads the process's environment sees what flags and file say, too.
  for (const [key, { env }] of Object.entries(PROCESS_SETTINGS))
    if (given.env[env]) process.env[env] = String(common?.[key as keyof typeof common] ?? '');
  runService(
    name,
    async (log) => {
      if (!own) throw new SettingsError(faults);
      log.info({ settings: maskedSettings(program.settings, new Map(Object.entries(own))) }, 'settings');
      for (const unknown of unknownVariables(process.env))
        log.warn(unknown, `${unknown.name} is no setting; did you mean ${unknown.nearest}?`);
      const telemetry = startTelemetry(name);
      const probes = await startProbes({ host: own.host, port: own.httpPort, metrics: telemetry.page });
      if (probes) log.info({ http: probes.address }, 'metrics and probes');
      const service = await program.start(own, log);
      probes?.setReady(true);
      return {
        ...(service.address === undefined ? {} : { address: service.address }),
        ...(probes ? { httpAddress: probes.address } : {}),
        async drain() {
          probes?.setReady(false);
          await service.drain();
          await telemetry.shutdown();
          await probes?.close();
        },
      };
    },
    common?.processDrainMs,
  );
}

/** What `--help` prints. */
export function programHelp({
  name,
  about,
  settings,
}: Pick<Program<ProgramSettings>, 'name' | 'about' | 'settings'>): string {
  return helpText({ name, about }, [
    { title: 'Settings', table: settings },
    { title: 'Of every service', table: PROCESS_SETTINGS },
  ]);
}

/** Both tables' values, or every fault that there is. */
function loadAll<S extends ProgramSettings>(program: Program<S>, { env, sourceOf, ...given }: GivenSettings) {
  const faults = [...given.faults];
  const orFaults = <T>(load: () => T): T | undefined => {
    try {
      return load();
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error;
      faults.push(...error.faults);
      return undefined;
    }
  };
  const own = orFaults(() => program.load(env, sourceOf));
  const common = orFaults(() => loadSettings(PROCESS_SETTINGS, env, sourceOf));
  return { own: faults.length > 0 ? undefined : own, common, faults };
}
