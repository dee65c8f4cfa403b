package program

import "syscall"

// endWithUs has the kernel kill the process when this one dies, however that happens: another worker will run the task again. The
// kernel does so when the thread ends that has started the process, so that thread is kept for as long as the process runs.
func endWithUs(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
