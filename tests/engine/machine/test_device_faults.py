"""Metal's errors in words."""

from __future__ import annotations

import pytest

from droid_tune.machine.device_faults import device_fault, told

FAILED = "[METAL] Command buffer execution failed: "


@pytest.mark.parametrize(
    ("error", "said", "smaller"),
    [
        (f"{FAILED}Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
         "The memory did not suffice (Insufficient Memory)", True),
        (f"{FAILED}Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout).",
         "took too long (its watchdog) (Caused GPU Timeout Error)", True),
        (f"{FAILED}Impacting Interactivity (0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)",
         "took too long (its watchdog) (Impacting Interactivity)", True),
        ("[metal::malloc] Resource limit (499000) exceeded.", "(Resource limit (499000) exceeded)", True),
        ("[metal::malloc] Attempting to allocate 19327352832 bytes which is greater than the maximum allowed buffer "
         "size of 17179869184 bytes.", "larger than the GPU takes", True),
        ("[malloc] Unable to allocate 1099511627776 bytes.", "The memory did not suffice", True),
        (f"{FAILED}Ignored (for causing prior/excessive GPU errors) (00000004:kIOGPU...SubmissionsIgnored)",
         "The GPU failed and was reset", False),
        (f"{FAILED}Something new (00000099:kIOGPUCommandBufferCallbackErrorNew)", "refused a piece of the work (Something new)",
         False),
    ],
)  # fmt: skip
def test_what_the_gpu_says_is_one_sentence(error: str, said: str, smaller: bool) -> None:
    fault = device_fault(RuntimeError(error))
    assert fault is not None
    assert fault.smaller is smaller
    assert said in told(RuntimeError(error))
    assert told(RuntimeError(error)).endswith(".")


def test_other_errors_are_none_of_the_device() -> None:
    assert device_fault(RuntimeError("dictionary changed size during iteration")) is None
    assert device_fault(ValueError("out of memory")) is None
    assert told(KeyError("a")) == ""
    assert told(MemoryError()).startswith("The memory did not suffice; close")
