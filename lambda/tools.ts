/** The tools that are deployed. A team replaces this one file; the construct takes its path. */
export { default } from '../examples/tools.ts';
