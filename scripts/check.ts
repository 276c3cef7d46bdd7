/**
 * The one command: `npm run check`. Runs each part in order, stops at the first that fails,
 * and says which it was and how to run it alone. The parts themselves are npm scripts.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Quick parts first. A script that the package does not have (yet) is not a part. */
const PARTS = [
  { script: 'format:check', does: 'format and import order', fix: 'npm run format' },
  { script: 'lint', does: 'lint' },
  { script: 'types', does: 'types' },
  { script: 'unused', does: 'unused files, exports and dependencies' },
  { script: 'test', does: 'tests' },
  { script: 'synth', does: 'CDK synth' },
] as const;

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};

for (const part of PARTS) {
  if (!(part.script in manifest.scripts)) continue;
  const startedAt = performance.now();
  process.stdout.write(`check: ${part.does}\n`);
  const { status } = spawnSync('npm', ['run', '--silent', part.script], { stdio: 'inherit' });
  if (status !== 0) {
    const hint = 'fix' in part ? `; \`${part.fix}\` repairs it` : '';
    process.stderr.write(`check: FAILED at ${part.does}. Run it alone with \`npm run ${part.script}\`${hint}.\n`);
    process.exit(status ?? 1);
  }
  process.stdout.write(`check: ${part.does} ok (${((performance.now() - startedAt) / 1000).toFixed(1)} s)\n`);
}
process.stdout.write('check: all parts ok\n');
