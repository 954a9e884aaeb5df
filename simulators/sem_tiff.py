"""TIFF files as FEI/Thermo microscopes write them: frame, info bar below it, and settings as ini text in tag 34682."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import numpy as np
import tifffile

from envs.errors import UserError
from simulators.optics.detector import Image
from simulators.optics.info_bar import bar_height, info_bar
from simulators.optics.settings import SemSettings

FEI_TAG = 34682
DISPLAY_M = 0.3
"""Width of the screen to which the stated magnification belongs."""
SOFTWARE = "Labwright virtual SEM"
LINE_OVERHEAD = 1.08
"""Time for a line over the dwell times of its pixels: the beam flies back."""
PRESSURE_PA = 2.4e-4
DETECTORS = {"SE": "ETD", "BSE": "CBS"}
Section = dict[str, object]


def write_tiff(
    image: Image,
    pixel_size_um: float,
    target: Path | io.BytesIO,
    *,
    detector: str = "SE",
    voltage_kv: float = 10.0,
    working_distance_mm: float = 5.0,
    taken_at: str = "",
    label: str = "virtual SEM",
    settings: SemSettings | None = None,
) -> None:
    """Write one frame with its info bar and metadata.

    Args:
        image: uint8, shape (H, W).
        pixel_size_um: edge of a pixel in micrometres.
        target: a path, or a buffer.
        detector: ``SE`` or ``BSE``, as in the image settings.
        voltage_kv: acceleration voltage.
        working_distance_mm: distance from the lens to the sample.
        taken_at: time stamp, ISO 8601 (other text stands as it is); the clock belongs to the caller.
        label: text in the info bar and in ``UserText``.
        settings: of the frame; where given, detector, voltage and working distance are taken from them.

    Raises:
        UserError: when the image is not 8-bit grey or the pixel size is not positive.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise UserError(f"a frame must be 8-bit grey (H, W), this one is {image.dtype} with shape {image.shape}")
    if not 0.0 < pixel_size_um < np.inf:
        raise UserError(f"pixel size {pixel_size_um} um must be positive and finite")
    if settings is None:
        settings = SemSettings(
            detector="BSE" if detector == "BSE" else "SE",
            voltage_kv=voltage_kv,
            working_distance_mm=working_distance_mm,
        )
    shape, per_cm = (image.shape[0], image.shape[1]), 1e4 / pixel_size_um
    moment = _moment(taken_at)
    bar = info_bar(
        shape[1], bar_height(shape[0]), pixel_size_um, _cells(shape[1], pixel_size_um, settings, moment), label
    )
    tifffile.imwrite(
        target,
        np.vstack((image, bar)),
        photometric="minisblack",
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        software=False,
        metadata=None,
        extratags=[(FEI_TAG, 2, 0, _metadata(shape, pixel_size_um, len(bar), settings, moment, label), True)],
    )


def magnification(width: int, pixel_size_um: float) -> float:
    """Of the frame on the microscope's screen: its width over the width of the field."""
    return DISPLAY_M / (width * pixel_size_um * 1e-6)


def _moment(taken_at: str) -> tuple[str, str, str]:
    """Date, time and time of creation, each as the vendor's files write it; empty where the text is no ISO time."""
    try:
        when = datetime.fromisoformat(taken_at)
    except ValueError:
        return taken_at, "", taken_at
    return when.strftime("%m/%d/%Y"), when.strftime("%I:%M:%S %p"), when.strftime("%d.%m.%Y %H:%M:%S")


def _cells(width: int, pixel_um: float, settings: SemSettings, moment: tuple[str, str, str]) -> list[tuple[str, str]]:
    """Headings and values of the info bar, the more important ones first."""
    field, current = width * pixel_um, settings.current_pa
    cells = [
        ("HV", f"{settings.voltage_kv:.2f} kV"),
        ("mag", f"{magnification(width, pixel_um):,.0f} x".replace(",", " ")),
        ("WD", f"{settings.working_distance_mm:.1f} mm"),
        ("det", DETECTORS[settings.detector]),
        ("HFW", f"{field / 1000.0:.2f} mm" if field >= 1000.0 else f"{field:.3g} um"),
        ("curr", f"{current / 1000.0:.2g} nA" if current >= 1e3 else f"{current:.0f} pA"),
        ("dwell", f"{settings.dwell_us:.3g} us"),
    ]  # fmt: skip
    return [(moment[0], moment[1]), *cells] if moment[1] and width >= 640 else cells


def _metadata(
    shape: tuple[int, int],
    pixel_um: float,
    bar: int,
    settings: SemSettings,
    moment: tuple[str, str, str],
    label: str,
) -> str:
    """Ini text with the sections and keys of the real files, SI units as there; what does not apply stays empty."""
    sections = {
        **_who(label, moment),
        **_column(shape, pixel_um * 1e-6, settings),
        **_scan(shape, pixel_um * 1e-6, settings),
        **_detectors(settings),
        "PrivateFei": {
            "BitShift": 0,
            "DataBarSelected": "DateTime HV mag WD det HFW curr dwell Label MicronBar",
            "DataBarAvailable": "HV mag WD det HFW curr dwell DateTime Label MicronBar",
            "TimeOfCreation": moment[2],
            "DatabarHeight": bar,
        },
    }
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines.extend(
            f"{key}={value:.9g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
        )
        lines.append("")
    return "\r\n".join(lines)


def _who(label: str, moment: tuple[str, str, str]) -> dict[str, Section]:
    """Who took the frame, on which machine."""
    words = " ".join(label.split())
    return {
        "User": {
            "Date": moment[0],
            "Time": moment[1],
            "User": "operator",
            "UserText": words,
            "UserTextUnicode": words.encode("utf-16-le").hex().upper(),
        },
        "System": {
            "Type": "SEM",
            "Dnumber": 0,
            "Software": SOFTWARE,
            "BuildNr": 1,
            "Source": "FEG",
            "Column": "virtual",
            "FinalLens": "virtual",
            "Chamber": "virtual",
            "Stage": "virtual",
            "Pump": "TMP",
            "ESEM": "no",
            "Aperture": "virtual",
            "Scan": "PIA 3.0",
            "Acq": "PIA 3.0",
            "EucWD": 0.005,
            "SystemType": SOFTWARE,
            "DisplayWidth": DISPLAY_M,
            "DisplayHeight": DISPLAY_M * 0.75,
        },
    }


def _column(shape: tuple[int, int], pixel: float, settings: SemSettings) -> dict[str, Section]:
    """The beam and how it was brought to the specimen."""
    volts, distance = settings.voltage_kv * 1e3, settings.working_distance_mm * 1e-3
    stigmator = {
        "StigmatorX": settings.astigmatism * float(np.cos(2.0 * settings.astigmatism_angle)),
        "StigmatorY": settings.astigmatism * float(np.sin(2.0 * settings.astigmatism_angle)),
    }
    common: Section = {**stigmator, "BeamShiftX": 0, "BeamShiftY": 0, "ScanRotation": 0, "ImageMode": "Normal"}
    place: Section = {"StageX": 0, "StageY": 0, "StageZ": distance, "StageR": 0, "StageTa": 0, "StageTb": 0}
    return {
        "Beam": {"HV": volts, "Spot": settings.spot, **common, "FineStageBias": "", "Beam": "EBeam", "Scan": "EScan"},
        "EBeam": _beam(shape, pixel, settings, place, common),
        "GIS": {"Number": 0},
        "Stage": {**place, "StageT": 0, "SpecTilt": "", "ActiveStage": "Bulk", "WorkingDistance": distance},
    }


def _beam(shape: tuple[int, int], pixel: float, settings: SemSettings, place: Section, common: Section) -> Section:
    """The electron column, with the stage and what all beams share."""
    return {
        "Source": "FEG",
        "ColumnType": "virtual",
        "FinalLens": "virtual",
        "Acq": "PIA 3.0",
        "Aperture": "virtual",
        "ApertureDiameter": 3e-05,
        "HV": settings.voltage_kv * 1e3,
        "HFW": shape[1] * pixel,
        "VFW": shape[0] * pixel,
        "WD": settings.working_distance_mm * 1e-3,
        "BeamCurrent": settings.current_pa * 1e-12,
        "TiltCorrectionIsOn": "no",
        "DynamicFocusIsOn": "no",
        "LensMode": "Field-Free",
        "SemOpticalMode": "",
        **place,
        "ActiveStage": "Bulk",
        **common,
        "EucWD": 0.005,
        "EmissionCurrent": "",
        "TiltCorrectionAngle": 0,
        "PreTilt": "",
        "WehneltBias": "",
        "BeamMode": "",
        "MagnificationCorrection": "Off",
    }


def _scan(shape: tuple[int, int], pixel: float, settings: SemSettings) -> dict[str, Section]:
    """How the frame was scanned and kept."""
    height, width = shape
    dwell = settings.dwell_us * 1e-6
    line = dwell * width * LINE_OVERHEAD
    size: Section = {
        "PixelWidth": pixel,
        "PixelHeight": pixel,
        "HorFieldsize": width * pixel,
        "VerFieldsize": height * pixel,
    }
    times: Section = {"FrameTime": line * height, "LineTime": line}
    return {
        "Scan": {"InternalScan": "true", "Dwelltime": dwell, **size, "Average": 0, "Integrate": 1, **times},
        "EScan": {
            "Scan": "PIA 3.0",
            "InternalScan": "true",
            "Dwell": dwell,
            **size,
            **times,
            "Mainslock": "On",
            "LineIntegration": 1,
            "ScanInterlacing": 1,
        },
        "Image": _image(shape, settings),
        "Vacuum": {"ChPressure": PRESSURE_PA, "Gas": "", "UserMode": "High vacuum", "Humidity": ""},
        "Specimen": {"Temperature": "", "SpecimenCurrent": ""},
    }


def _image(shape: tuple[int, int], settings: SemSettings) -> Section:
    """How the frame is shown."""
    return {
        "DigitalContrast": 1,
        "DigitalBrightness": 0,
        "DigitalGamma": settings.gamma,
        "Average": 0,
        "Integrate": 1,
        "ResolutionX": shape[1],
        "ResolutionY": shape[0],
        "DriftCorrected": "Off",
        "ZoomFactor": 1,
        "ZoomPanX": 0.5,
        "ZoomPanY": 0.5,
        "MagCanvasRealWidth": DISPLAY_M,
        "MagnificationMode": 3,
        "ScreenMagCanvasRealWidth": DISPLAY_M,
        "ScreenMagnificationMode": 3,
        "PostProcessing": "None",
        "Transformation": "None",
    }


def _detectors(settings: SemSettings) -> dict[str, Section]:
    """The detector and the operator's two knobs, in per cent."""
    name = DETECTORS[settings.detector]
    return {
        "Detectors": {"Number": 1, "Name": name, "Mode": settings.detector},
        name: {
            "Contrast": 50.0 + 20.0 * float(np.log2(max(settings.contrast, 1e-3))),
            "Brightness": 100.0 * settings.brightness,
            "Mix": 100,
            "Signal": settings.detector,
            "Grid": 250 if settings.detector == "SE" else "",
            "ContrastDB": 20.0 * float(np.log10(max(settings.contrast, 1e-3))),
            "BrightnessDB": "",
            "Setting": 250 if settings.detector == "SE" else "",
            "MinimumDwellTime": 1e-07,
        },
        "Accessories": {"Number": 0},
        "EBeamDeceleration": {
            "ModeOn": "Off",
            "LandingEnergy": settings.voltage_kv * 1e3,
            "ImmersionRatio": 0,
            "StageBias": 0,
        },
    }
