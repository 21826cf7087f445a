// Without a GPU, drawing takes the cores that find the hands; and the page draws as often as it can for a quarter of a
// second after every change. So a browser that draws in software is asked for a frame after LEAST ms at the earliest.
(() => {
  const LEAST = 40;
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl2") || canvas.getContext("webgl");
  if (!gl) return;
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(gl.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  const lose = gl.getExtension("WEBGL_lose_context");
  if (lose) lose.loseContext();
  document.documentElement.dataset.renderer = renderer;
  if (!/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer)) return;

  const request = window.requestAnimationFrame.bind(window);
  const cancel = window.cancelAnimationFrame.bind(window);
  const waiting = new Map(); // how to cancel each request that was not answered yet
  let last = 0;
  let due = 0;
  window.requestAnimationFrame = (callback) => {
    const id = ++last;
    const ask = () => {
      const frame = request((now) => {
        waiting.delete(id);
        due = Math.max(due, now + LEAST); // all that ask for one frame get the same one
        callback(now);
      });
      waiting.set(id, () => cancel(frame));
    };
    const left = due - performance.now();
    if (left > 0) {
      const timer = setTimeout(ask, left);
      waiting.set(id, () => clearTimeout(timer));
    } else {
      ask();
    }
    return id;
  };
  window.cancelAnimationFrame = (id) => {
    const undo = waiting.get(id);
    if (undo) undo();
    waiting.delete(id);
  };
})();
