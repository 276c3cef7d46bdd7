/**
 * What the package publishes for tests, as `mcp-durable-tasks/testing`: the contract that a backend
 * of one's own has to pass, and a clock to hold still. Nothing here is needed at run time.
 */
export {
  backendContract,
  type ContractCase,
  type ContractEnvironment,
  sweepingBackendContract,
} from './backend-contract.ts';
export { ManualClock, manualRandom } from './manual-clock.ts';
