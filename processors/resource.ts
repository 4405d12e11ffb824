/** Changes the attributes of resources. */
import { strictObject } from 'valibot';
import { defineProcessor } from '../src/component.ts';
import { createReresource } from '../src/model/reresource.ts';
import { attributeActions, compileActions } from '../src/text/attribute_actions.ts';

export default defineProcessor({
  type: 'resource',
  about:
    'Changes attributes of the resources that metrics and log records come from. Series that become one by it are ' +
    'aggregated as by the processor attributes.',
  signals: ['metrics', 'logs'],
  config: strictObject({
    attributes: attributeActions('What is done to the attributes of each resource, one action after the other.'),
  }),
  create({ config, next, drop }) {
    const act = compileActions(config.attributes);
    const reresource = createReresource({
      drop,
      change(resource) {
        const attributes = act(resource.attributes);
        return attributes === resource.attributes ? resource : { ...resource, attributes };
      },
    });
    return { consume: (batch) => next.consume(reresource(batch)) };
  },
});
