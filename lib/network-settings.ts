/** The settings of the network that functions and cache are in, out of the context. */

import { present } from '../src/present.ts';
import type { ContextReader } from './context-reader.ts';
import type { ExistingNetwork } from './existing-network.ts';

export interface NetworkSettings {
  /** The team's own. Absent: the cache has one of ours, and with the table there is none. */
  readonly existingNetwork?: ExistingNetwork;
  /** Of our own network. */
  readonly availabilityZones?: readonly string[];
}

const ZONE = /^[a-z]{2}(-[a-z]+)+-\d[a-z]$/;

export function readNetwork(reader: ContextReader, region: string | undefined): NetworkSettings {
  const vpcId = reader.matching('vpcId', /^vpc-[0-9a-f]{8,17}$/, 'the id of a VPC, such as vpc-0123456789abcdef0');
  const subnetIds = reader.listOf('subnetIds', /^subnet-[0-9a-f]{8,17}$/, 'the ids of subnets');
  const availabilityZones = reader.listOf('availabilityZones', ZONE, 'the names of zones, such as eu-central-1a');
  const elsewhere = availabilityZones?.find((zone) => region !== undefined && zone.slice(0, -1) !== region);
  if (elsewhere !== undefined) {
    reader.problems.push(`Context "availabilityZones" has ${elsewhere}, which is not a zone of ${region}.`);
  }
  if ((availabilityZones?.length ?? 2) < 2 || (availabilityZones?.length ?? 2) > 3) {
    reader.problems.push('Context "availabilityZones" must name two or three zones.');
  }
  if (vpcId === undefined) return present({ availabilityZones });
  return { existingNetwork: { vpcId, subnetIds: subnetIds ?? [], availabilityZones: availabilityZones ?? [] } };
}
