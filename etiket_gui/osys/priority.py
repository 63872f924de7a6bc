"""Lowers this whole process below the measurement: less processor and less disk, never a thread of its own.

A niced thread that holds the interpreter's lock stops its whole program; therefore only child processes are lowered.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from etiket_gui.domain import guards

logger = logging.getLogger(__name__)

#: Low, but not starved: a machine that measures day and night must still archive.
_NICE = 10
_LOWEST_BEST_EFFORT = 7
_AUTOGROUP = "/proc/self/autogroup"
_SESSION_TRIES, _SESSION_AGAIN_S = 20, 0.11
_IOPOL_TYPE_DISK, _IOPOL_SCOPE_PROCESS, _IOPOL_UTILITY = 0, 0, 4


def lower_priority() -> None:
    """Lower this process for processor and disk; to be called before it starts threads.

    A process that is lower already stays as it is. What the system refuses is logged and left.
    """
    _lower_processor()
    _lower_disk()


if sys.platform == "win32":

    def _lower_processor() -> None:
        import psutil

        try:
            process = psutil.Process()
            if process.nice() != psutil.IDLE_PRIORITY_CLASS:
                process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        except (psutil.Error, OSError) as error:
            logger.info("The processor priority could not be lowered: %s", error)

    def _lower_disk() -> None:
        import psutil

        try:
            process = psutil.Process()
            now: object = process.ionice()
            if now != psutil.IOPRIO_VERYLOW:
                process.ionice(psutil.IOPRIO_LOW)
        except (psutil.Error, OSError) as error:
            logger.info("The disk priority could not be lowered: %s", error)

else:

    def _lower_processor() -> None:
        try:
            if os.getpriority(os.PRIO_PROCESS, 0) < _NICE:
                os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        except OSError as error:
            logger.info("The processor priority could not be lowered: %s", error)
        if sys.platform == "linux" and guards.is_on("session-is-lowered-too"):
            _lower_session()

    def _lower_session() -> None:
        """Linux shares the processors between sessions first (autogroups, sched(7)): nice only counts within one.

        Only a session of our own is lowered, never the terminal that somebody works in.
        """
        if os.getsid(0) != os.getpid():
            return
        try:
            with open(_AUTOGROUP, "r+b", buffering=0) as file:
                is_lowered = int(file.read().rpartition(b" ")[2]) >= _NICE
                for _ in range(_SESSION_TRIES):
                    # None: the kernel takes one such wish in a tenth of a second, of all sessions together.
                    if is_lowered or file.write(str(_NICE).encode()) is not None:
                        return
                    time.sleep(_SESSION_AGAIN_S)
            logger.info("The processor priority of the session could not be lowered: too many sessions begin now.")
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            logger.info("The processor priority of the session could not be lowered: %s", error)

    if sys.platform == "linux":

        def _lower_disk() -> None:
            import psutil

            try:
                process = psutil.Process()
                if process.ionice().ioclass != psutil.IOPRIO_CLASS_IDLE:
                    process.ionice(psutil.IOPRIO_CLASS_BE, _LOWEST_BEST_EFFORT)
            except (psutil.Error, OSError) as error:
                logger.info("The disk priority could not be lowered: %s", error)

    else:

        def _lower_disk() -> None:
            import ctypes

            set_policy = getattr(ctypes.CDLL(None), "setiopolicy_np", None)
            if set_policy is not None and set_policy(_IOPOL_TYPE_DISK, _IOPOL_SCOPE_PROCESS, _IOPOL_UTILITY) != 0:
                logger.info("The disk priority could not be lowered.")
