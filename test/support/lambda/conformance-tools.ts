/** The conformance fixtures, as a module that is deployed with `-c tools=`. */
export { fixtureTools as default } from '../../conformance/fixtures.ts';
