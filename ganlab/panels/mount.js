import { make } from './kit.js';

const idOf = ref => ref.slice(ref.indexOf(':') + 1);
// as a widget of the notebook's own, where it is no anywidget or the host is an older one
async function asView({ model }, ref, slot, signal) {
  const manager = model.widget_manager;
  const view = await manager.create_view(await manager.get_model(idOf(ref)));
  if (signal.aborted || !slot.parentNode) return view.remove();
  const widget = view.luminoWidget ?? view.pWidget;
  if (widget && slot.isConnected) widget.constructor.attach(widget, slot.parentNode, slot);
  else slot.before(view.el);
  slot.remove();
  signal.addEventListener('abort', () => view.remove());
}
const attached = slot =>
  new Promise(done => {
    const seen = new ResizeObserver(() => {
      if (!slot.isConnected) return;
      seen.disconnect();
      done();
    });
    seen.observe(slot);
  });
async function put(context, ref, slot, signal) {
  let widget;
  try {
    widget = await context.host.getWidget(ref);
  } catch (e) {
    if (!context.model.widget_manager?.create_view) {
      throw new Error('this notebook shows anywidgets alone. Give an anywidget, a text, numbers or a figure', {
        cause: e,
      });
    }
    await attached(slot);
    return asView(context, ref, slot, signal);
  }
  await widget.render({ el: slot, signal });
}
// A place for a child widget; context: what `render` was called with.
export function mount(context, ref, signal = context.signal) {
  const slot = make('div');
  put(context, ref, slot, signal).catch(e => {
    slot.className = 'gl-cannot';
    slot.textContent = `This part cannot be shown here: ${e.message}`;
  });
  return slot;
}
