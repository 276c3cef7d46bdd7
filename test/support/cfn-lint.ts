/**
 * CloudFormation's own rules, as AWS publishes them for Python: `cfn-lint`, into the ignored cache, at one version. Only
 * where the machine has a Python with pip that can fetch it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached, run } from './engines/process.ts';

const VERSION = '1.58.0';
const PACKAGE = `cfn-lint==${VERSION}`;
/** CDK says twice that a function waits for its role; and zones by name are what `availabilityZones` is for. */
const NO_FAULTS = ['W3005', 'W3010'];

export interface Finding {
  readonly rule: string;
  readonly message: string;
  readonly template: string;
  readonly path: string;
}

export interface CfnLint {
  /** Errors and warnings. */
  lint(templates: readonly string[], region: string): Promise<readonly Finding[]>;
}

/** `undefined`, and one line that says why, where it cannot be had. */
export async function openCfnLint(): Promise<CfnLint | undefined> {
  try {
    const folder = await cached(
      `cfn-lint-${VERSION}`,
      `cfn-lint (PyPI ${PACKAGE}, with what it needs)`,
      async (target) => {
        const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-warn-conflicts'];
        await run('python3', [...pip, '--target', target, PACKAGE]);
      },
    );
    return { lint: (templates, region) => lint(folder, templates, region) };
  } catch (error) {
    process.stderr.write(`cfn-lint is skipped: ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

interface Match {
  readonly Rule: { readonly Id: string };
  readonly Message: string;
  readonly Filename: string;
  readonly Location: { readonly Path: readonly (string | number)[] | null };
}

async function lint(folder: string, templates: readonly string[], region: string): Promise<readonly Finding[]> {
  const args = [
    join(folder, 'bin', 'cfn-lint'),
    '--format',
    'json',
    '--regions',
    region,
    '--ignore-checks',
    ...NO_FAULTS,
    '--',
    ...templates,
  ];
  const options = { env: { ...process.env, PYTHONPATH: folder }, maxBuffer: 64 * 1024 * 1024 };
  // Ends with a status that is not 0 where it found something.
  const { stdout } = await promisify(execFile)('python3', args, options).catch((error: { stdout?: string }) => {
    if (error.stdout?.startsWith('[') === true) return { stdout: error.stdout };
    throw error;
  });
  return (JSON.parse(stdout) as readonly Match[]).map(({ Rule, Message, Filename, Location }) => ({
    rule: Rule.Id,
    message: Message,
    template: Filename.split('/').at(-1) ?? Filename,
    path: (Location.Path ?? []).join('/'),
  }));
}
