"""The joints of the pose data sets: names, left-right partners, limbs to draw.

Sources: the orders of Leeds Sports Pose (Johnson and Everingham 2010) and of COCO's keypoints (Lin et al. 2014).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class JointTable:
    """The joints of a data set.

    Example:
        >>> LSP_JOINTS.num_joints, COCO_JOINTS.num_joints
        (14, 17)
    """

    names: tuple[str, ...]  # in the order of the data; left and right are the person's own
    pairs: tuple[tuple[int, int], ...]  # indices of left-right partners, which change places in a mirror
    limbs: tuple[tuple[int, int], ...]  # indices of joints to draw a line between
    torso: tuple[int, int]  # indices of left shoulder and right hip, the yardstick of ``metrics.pck``

    @property
    def num_joints(self) -> int:
        """J, the number of joints."""
        return len(self.names)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """For each joint the one that takes its place in a mirror."""
        partner = dict(self.pairs) | {right: left for left, right in self.pairs}
        return tuple(partner.get(joint, joint) for joint in range(self.num_joints))


LSP_JOINTS = JointTable(
    names=(
        *("right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle"),
        *("right wrist", "right elbow", "right shoulder", "left shoulder", "left elbow", "left wrist"),
        *("neck", "head top"),
    ),
    pairs=((5, 0), (4, 1), (3, 2), (11, 6), (10, 7), (9, 8)),
    limbs=((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 12), (12, 9), (9, 10), (10, 11), (12, 13)),
    torso=(9, 2),
)
COCO_JOINTS = JointTable(
    names=(
        *("nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow"),
        *("right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee"),
        *("left ankle", "right ankle"),
    ),
    pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    limbs=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9)),
        *((8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
    ),
    torso=(5, 12),
)
