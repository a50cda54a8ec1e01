const BEAT = 800;
const MISSED = 5; // ms; silent beats after which nobody is there
// tell(when): nobody has been heard since then; tell(null): somebody is there again
export function pulse(model, runs, tell) {
  let heard = true;
  let silent = 0;
  let last = Date.now();
  let cut = false;
  let told = false;
  const word = () => {
    heard = true;
    cut = false;
  };
  const end = () => {
    cut = true;
  };
  const beat = () => {
    if (heard || (!runs() && !cut)) {
      silent = 0;
      last = Date.now();
    } else silent++;
    heard = false;
    // a long step is silent too: is the kernel there?
    if (silent && runs()) {
      try {
        model.send({ ping: silent });
      } catch {
        // nobody hears it
      }
    }
    const gone = cut || silent >= MISSED;
    if (gone !== told) {
      told = gone;
      tell(gone ? new Date(last) : null);
    }
  };
  const timer = setInterval(beat, BEAT);
  model.on('change', word);
  model.on('msg:custom', word);
  model.on('comm_live_update', end);
  return () => {
    clearInterval(timer);
    model.off('change', word);
    model.off('msg:custom', word);
    model.off('comm_live_update', end);
  };
}
