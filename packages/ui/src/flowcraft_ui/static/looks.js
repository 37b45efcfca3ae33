// Before anything is shown: the looks that the reader has chosen, so that nothing flashes.
try {
  const theme = localStorage.getItem("flowcraft-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch { /* no storage: the system's looks */ }
