"""Automatic differentiation: what `backward()` computes, where it puts it, and how to keep out of its way.

rushlight run examples/autograd_basics.py
"""

import torch

# The area of a circle grows with the radius by its circumference: d(pi r^2)/dr = 2 pi r.
r = torch.tensor(1.5, requires_grad=True)
area = torch.pi * r**2
area.backward()
print(f"area {area.item():.4f}, its derivative {r.grad.item():.4f}, the circumference {2 * torch.pi * r.item():.4f}")

# A function of several numbers has one derivative for each of them.
point = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
height = (point**2).sum() + point[0] * point[1]
height.backward()
print("gradient", point.grad)

# Gradients add up over calls of backward until they are cleared.
(point**2).sum().backward()
print("after a second backward", point.grad)
point.grad = None

# A result remembers how it came about; detach() forgets, and nothing is remembered under no_grad().
print("made by", height.grad_fn.name(), "and", height.detach().requires_grad)
with torch.no_grad():
    print("without a history:", (point * 2).requires_grad)

# create_graph keeps the derivative differentiable: the second and third derivatives of x^4 at 2.
x = torch.tensor(2.0, requires_grad=True)
y = x**4
orders = []
for _ in range(3):
    (y,) = torch.autograd.grad(y, x, create_graph=True)
    orders.append(y.item())
print("derivatives of x^4 at 2:", orders)

# Newton's method, in which autograd supplies the slope: the cube root of 20.
root = torch.tensor(3.0, requires_grad=True)
for _ in range(5):
    error = root**3 - 20
    (slope,) = torch.autograd.grad(error, root)
    with torch.no_grad():
        root -= error / slope
print(f"cube root of 20 is {root.item():.5f}")
